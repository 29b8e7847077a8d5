package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// peerTime is how long a page waits for other replicas, all of them together.
	peerTime = 3 * time.Second
	// maxPeers bounds the replicas that are asked for a page.
	maxPeers = 16
	// maxParts bounds what all other replicas together answer, in bytes: it is in memory, and once more as what it says.
	maxParts = 48 << 20
	// maxResults bounds the results that they tell together, which have half of that with messages of usual length. What is beyond is counted.
	maxResults = 20_000
	// maxAtOnce is how many pages are put together of the parts of several replicas at one time, each of which is in memory then, and how many parts
	// are made for others.
	maxAtOnce = 2
)

// Peer is another replica of the release.
type Peer struct {
	Name    string
	Address string // of its pages, host:port; empty if it has none that can be reached
}

// errNoPages is why a peer without an address has nothing to say.
var errNoPages = errors.New("it has no pages that others can reach")

// gathered is what the peers have to say.
type gathered[T any] struct {
	parts []T
	of    []string // whose each part is
	notes []string // who could not be asked
}

// gather asks all peers for their part of a page, with the token of who looks at it: each judges by itself what that person may see, and a peer where
// that is nothing has an empty part. what is said of those who have not answered.
func gather[T any](ctx context.Context, s *Server, v *visit, what, method, path string, body []byte) (out gathered[T]) {
	peers, err := s.options.Peers()
	if err != nil {
		s.options.Log.Warn("which other replicas there are is not known", "error", err)
		out.notes = append(out.notes, "Which other replicas there are is not known at the moment; what they know is missing here.")
		return out
	}
	if len(peers) > maxPeers {
		out.notes = append(out.notes, fmt.Sprintf("There are more than %d other replicas; what %d of them know is missing here.", maxPeers, len(peers)-maxPeers))
		peers = peers[:maxPeers]
	}
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	answers, failed := make([]*T, len(peers)), make([]error, len(peers))
	var wg sync.WaitGroup
	for i, peer := range peers {
		wg.Go(func() { answers[i], failed[i] = ask[T](ctx, s, v, peer, method, path, body, maxParts/len(peers)) })
	}
	wg.Wait()
	for i, peer := range peers {
		switch {
		case failed[i] != nil:
			s.options.Log.Warn("another replica could not be asked for its part of a page", "replica", peer.Name, "address", peer.Address, "error", failed[i])
			out.notes = append(out.notes, fmt.Sprintf("What %s %s is missing here, because it could not be asked.", peer.Name, what))
		case answers[i] != nil:
			out.parts, out.of = append(out.parts, *answers[i]), append(out.of, peer.Name)
		}
	}
	return out
}

// ask asks one peer. No answer and no error is that there is nothing for who looks.
func ask[T any](ctx context.Context, s *Server, v *visit, peer Peer, method, path string, body []byte, most int) (*T, error) {
	if peer.Address == "" {
		return nil, errNoPages
	}
	client, err := s.options.Client()
	if err != nil {
		return nil, err
	}
	own := *client // whose token it is goes to nobody else
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Jar = nil
	request, err := http.NewRequestWithContext(ctx, method, "https://"+peer.Address+path, bytes.NewReader(body)) //nolint:gosec // a checked host and port of a Lease of the release
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+v.token.text)
	answer, err := own.Do(request) //nolint:gosec // only who has a certificate of the release is told the token
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, int64(most)+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > most:
		return nil, fmt.Errorf("its part is larger than %d MiB", most>>20)
	case answer.StatusCode == http.StatusForbidden:
		return nil, nil
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answers %s", answer.Status)
	}
	var part T
	if err := json.Unmarshal(text, &part); err != nil {
		return nil, fmt.Errorf("its part cannot be read: %w", err)
	}
	return &part, nil
}

// part answers a peer. It is made of what this replica knows, and asks nobody else.
func (s *Server) part(make func(*http.Request, *visit) (any, error)) func(http.ResponseWriter, *http.Request) error {
	return s.signed(func(w http.ResponseWriter, r *http.Request, v *visit) error {
		defer turn(r.Context(), s.serving)()
		part, err := make(r, v)
		if err != nil {
			return err
		}
		text, err := json.Marshal(part)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, err = w.Write(text)
		return ignored(err)
	})
}

// turn waits until one more may be made, or who waits for it is gone, and returns what ends that.
func turn(ctx context.Context, slots chan struct{}) (done func()) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }
	case <-ctx.Done():
		return func() {}
	}
}
