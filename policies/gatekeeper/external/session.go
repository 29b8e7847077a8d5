package external

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis/policies/language"
)

const (
	// maxKeys is how many keys one call may have, and maxKeyBytes how long they may be together: a Pod has some ten images.
	maxKeys     = 1000
	maxKeyBytes = 1 << 20
	// maxCalls is how many calls of Providers one review may lead to. A rule that calls for each image by itself makes some ten.
	maxCalls = 100
)

// session answers the calls in one review.
type session struct {
	*Providers

	mu    sync.Mutex
	calls map[string]*call // by Provider and keys
	items map[cacheKey]language.ExternalItem
}

// call is one that was made or is being made.
type call struct {
	done   chan struct{}
	answer language.ExternalAnswer
}

// Fetch implements language.ExternalData.
func (s *session) Fetch(ctx context.Context, name string, keys []string) language.ExternalAnswer {
	at := slices.IndexFunc(s.list, func(p *provider) bool { return p.name == name })
	if at < 0 {
		return language.ExternalFailure(http.StatusBadRequest, fmt.Errorf("there is no Provider %q", name))
	}
	if err := bounded(keys); err != nil {
		return language.ExternalFailure(http.StatusBadRequest, err)
	}
	p := s.list[at]
	id := name + "\x00" + strings.Join(keys, "\x00")
	s.mu.Lock()
	if s.calls == nil {
		s.calls, s.items = map[string]*call{}, map[cacheKey]language.ExternalItem{}
	}
	c, begun := s.calls[id]
	if !begun {
		if len(s.calls) >= maxCalls {
			s.mu.Unlock()
			return language.ExternalFailure(http.StatusBadRequest, fmt.Errorf("one review may lead to %d different calls of Providers at most", maxCalls))
		}
		c = &call{done: make(chan struct{})}
		s.calls[id] = c
	}
	s.mu.Unlock()
	if !begun {
		s.settle(ctx, c, p, keys)
	}
	select {
	case <-c.done:
		return c.answer
	case <-ctx.Done():
		return language.ExternalFailure(http.StatusInternalServerError, ctx.Err())
	}
}

// settle makes a call, for all who wait for it.
func (s *session) settle(ctx context.Context, c *call, p *provider, keys []string) {
	c.answer = language.ExternalFailure(http.StatusInternalServerError, errors.New("the call was broken off"))
	defer close(c.done)
	c.answer = s.fetch(ctx, p, keys)
}

func bounded(keys []string) error {
	if len(keys) > maxKeys {
		return fmt.Errorf("there are %d keys; one call may have %d", len(keys), maxKeys)
	}
	bytes := 0
	for _, key := range keys {
		bytes += len(key)
	}
	if bytes > maxKeyBytes {
		return fmt.Errorf("the keys are longer than %d KiB together", maxKeyBytes>>10)
	}
	return nil
}

// fetch asks for what is not known, in this review or still from an earlier one.
func (s *session) fetch(ctx context.Context, p *provider, keys []string) language.ExternalAnswer {
	out := language.ExternalAnswer{StatusCode: http.StatusOK}
	var ask []string
	for _, key := range keys {
		if item, known := s.known(p, key); known {
			out.Items = append(out.Items, item)
		} else if !slices.Contains(ask, key) {
			ask = append(ask, key)
		}
	}
	if known := len(out.Items); known > 0 {
		s.options.Observer.Remembered(p.name, known)
	}
	if len(ask) == 0 {
		return out
	}
	begun := s.options.Clock()
	answer, err := p.ask(ctx, ask)
	s.options.Observer.Called(p.name, s.options.Clock().Sub(begun), errors.Join(err, answer.failure()))
	if err != nil {
		return language.ExternalFailure(http.StatusInternalServerError, err)
	}
	out.StatusCode, out.SystemError = answer.status, answer.SystemError
	for _, item := range answer.Items {
		found := language.ExternalItem{Key: item.Key, Error: item.Error, Idempotent: answer.Idempotent}
		if found.Value, err = item.decode(); err != nil {
			found.Error = fmt.Sprintf("the value cannot be read: %v", err)
		}
		out.Items = append(out.Items, found)
		s.remember(p, answer, found, ask, len(item.Value))
	}
	return out
}

// known is what was said of a key in this review, or in an earlier one.
func (s *session) known(p *provider, key string) (language.ExternalItem, bool) {
	id := cacheKey{p.digest, key}
	s.mu.Lock()
	item, known := s.items[id]
	s.mu.Unlock()
	if known {
		return item, true
	}
	return s.cache.get(id)
}

// remember keeps what was said of a key that was asked for: until the review ends, and for the next ones if it is no error and will be
// said again.
func (s *session) remember(p *provider, answer answer, item language.ExternalItem, asked []string, bytes int) {
	if answer.SystemError != "" || answer.status != http.StatusOK || !slices.Contains(asked, item.Key) {
		return
	}
	id := cacheKey{p.digest, item.Key}
	s.mu.Lock()
	s.items[id] = item
	s.mu.Unlock()
	if answer.Idempotent && item.Error == "" {
		s.cache.put(id, item, bytes)
	}
}
