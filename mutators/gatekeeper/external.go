package gatekeeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/mutators"
)

// External asks a Provider for all keys at once, none twice, and returns what it has to say of each of which it says anything. The error is
// that of all of them. It returns soon after ctx ends.
type External func(ctx context.Context, provider string, keys []string) (map[string]ExternalItem, error)

// ExternalItem is what a Provider says of one key.
type ExternalItem struct {
	Value any // decoded JSON; a mutator takes a string
	Err   error
}

// external is a value that a Provider has to say: parameters.assign.externalData.
type external struct {
	provider  string
	username  bool // it is asked about who sends the object, and not about what stands at the place
	onFailure string
	fallback  string // with useDefault
}

// What follows if a Provider does not say anything that could be assigned.
const (
	onFailureFail       = "Fail"
	onFailureIgnore     = "Ignore"
	onFailureUseDefault = "UseDefault"
)

// readExternal reads externalData.
func readExternal(f field) (*external, error) {
	members, err := f.object("dataSource", "default", "failurePolicy", "provider")
	if err != nil {
		return nil, err
	}
	out := &external{}
	source, onFailure := "", ""
	for name, into := range map[string]*string{
		"dataSource": &source, "default": &out.fallback, "failurePolicy": &onFailure, "provider": &out.provider,
	} {
		if *into, err = members.get(name).text(); err != nil {
			return nil, err
		}
	}
	switch source {
	case "", "ValueAtLocation":
	case "Username":
		out.username = true
	default:
		return nil, members.get("dataSource").wrong("%q is no source; there are ValueAtLocation, which is the default, and Username", source)
	}
	if out.onFailure = onFailure; onFailure == "" {
		out.onFailure = onFailureFail
	}
	switch {
	case out.provider == "":
		return nil, members.get("provider").wrong("it is missing; name the Provider that knows the value")
	case !slices.Contains([]string{onFailureFail, onFailureIgnore, onFailureUseDefault}, out.onFailure):
		return nil, members.get("failurePolicy").wrong("%q is none of %s, %s and %s",
			onFailure, onFailureFail, onFailureIgnore, onFailureUseDefault)
	case out.onFailure == onFailureUseDefault && out.fallback == "":
		return nil, members.get("default").wrong("it is missing; it is what is assigned if the Provider has no answer")
	}
	return out, nil
}

// set leaves a placeholder, which Set resolves when all mutators have been applied: what one Provider is asked about many places is one call.
func (e *external) set(was any, a about) (any, bool, error) {
	key := a.user
	var stood any // before a placeholder was put there
	switch was := was.(type) {
	case nil:
		if !e.username {
			key = ""
		}
	case string:
		stood = was
		if before, ok := a.open.question(was); ok {
			stood = before.stood
		} else if a.open.mangled(was) {
			return nil, false, errMangled
		}
		text, _ := stood.(string)
		if a.open.given(e, text) {
			return was, false, nil
		}
		if !e.username {
			key = text
		}
	default:
		return nil, false, errors.New("is " + mutators.KindOf(was) + ", not a string, of which a Provider could be asked")
	}
	now := a.open.put(question{by: a.mutator, external: e, key: key, stood: stood})
	return now, now != was, nil
}

// question is one that is to be answered before the object is what it should be.
type question struct {
	by       *Mutator
	external *external
	key      string
	stood    any // what is to stand there if there is no answer and that is nothing: a string or nil
}

// open are the questions of one application of mutators to one object.
type open struct {
	*answers
	mark      string // with which placeholders begin
	questions []question
}

// answers are those that have been given in one review. It is safe for concurrent use.
type answers struct {
	ask External // nil: nobody answers

	mu    sync.Mutex
	known map[topic]ExternalItem
	said  map[topic]bool // what was assigned, which is no key to ask for again
}

// topic is a key, or a value, of a Provider.
type topic struct{ provider, text string }

func newAnswers(ask External) *answers {
	return &answers{ask: ask, known: map[topic]ExternalItem{}, said: map[topic]bool{}}
}

// given reports whether a value is one that was assigned in this review. A chain applies its mutators until the object is at rest; what a
// Provider makes of its own answer was not asked for.
func (a *answers) given(e *external, value string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.said[topic{e.provider, value}]
}

// put returns the placeholder of a question.
func (o *open) put(q question) string {
	if o.mark == "" {
		// Nobody who sends an object knows it.
		o.mark = "\x00" + strconv.FormatUint(rand.Uint64(), 36) + "/" //nolint:gosec // nothing is kept secret by it for longer than this takes
	}
	at := slices.Index(o.questions, q)
	if at < 0 {
		at = len(o.questions)
		o.questions = append(o.questions, q)
	}
	return o.mark + strconv.Itoa(at)
}

// question returns the one for which a text is the placeholder.
func (o *open) question(text string) (question, bool) {
	number, ok := strings.CutPrefix(text, o.mark)
	if !ok || o.mark == "" {
		return question{}, false
	}
	at, err := strconv.Atoi(number)
	if err != nil || at >= len(o.questions) {
		return question{}, false
	}
	return o.questions[at], true
}

// errMangled is why two mutators do not go together.
var errMangled = errors.New("is what a Provider is to say, and another mutator would change it; let one of them alone set it")

// mangled reports whether a text has been made of a placeholder, as AssignImage makes an image of what stands there.
func (o *open) mangled(text string) bool { return o.mark != "" && strings.Contains(text, o.mark) }

// resolve puts answers in the places of the questions.
func (o *open) resolve(ctx context.Context, obj *unstructured.Unstructured) error {
	if len(o.questions) == 0 {
		return nil
	}
	standing := map[question]bool{}
	err := o.visit(obj.Object, func(q question) (any, error) {
		standing[q] = true
		return o.put(q), nil
	})
	if err != nil {
		return err
	}
	o.fetch(ctx, standing)
	if err := ctx.Err(); err != nil {
		return err
	}
	written := 0
	return o.visit(obj.Object, func(q question) (any, error) {
		value, err := o.answer(q)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be applied: %s: %w", q.by.id, q.by.location, err)
		}
		text, _ := value.(string)
		if written += len(text); written > maxWritten {
			return nil, fmt.Errorf("%s cannot be applied: %w", q.by.id, errWritten)
		}
		return value, nil
	})
}

// visit calls each with every question that stands in a value, and puts what it returns in its place; nil takes the member out. Questions stand
// at members of objects, never at elements of lists.
func (o *open) visit(v any, each func(question) (any, error)) error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			text, ok := member.(string)
			if !ok {
				if err := o.visit(member, each); err != nil {
					return err
				}
				continue
			}
			q, ok := o.question(text)
			if !ok {
				if o.mangled(text) {
					return fmt.Errorf("%s %w", name, errMangled)
				}
				continue
			}
			now, err := each(q)
			if err != nil {
				return err
			}
			if v[name] = now; now == nil {
				delete(v, name)
			}
		}
	case []any:
		for _, element := range v {
			if err := o.visit(element, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch asks all Providers, at the same time, for what is not known yet.
func (o *open) fetch(ctx context.Context, standing map[question]bool) {
	keys := map[string][]string{}
	for _, q := range o.questions {
		at := topic{q.external.provider, q.key}
		if _, known := o.known[at]; standing[q] && !known && !slices.Contains(keys[at.provider], q.key) {
			keys[at.provider] = append(keys[at.provider], q.key)
		}
	}
	var wg sync.WaitGroup
	for provider, keys := range keys {
		wg.Go(func() {
			items, err := map[string]ExternalItem(nil), errors.New("there is no Provider")
			if o.ask != nil {
				items, err = o.ask(ctx, provider, keys)
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, key := range keys {
				item, said := items[key]
				switch {
				case err != nil:
					item = ExternalItem{Err: err}
				case !said:
					item.Err = fmt.Errorf("the Provider %s says nothing of what it was asked for", provider)
				}
				o.known[topic{provider, key}] = item
			}
		})
	}
	wg.Wait()
}

// answer is what is to stand in the place of a question; nil is nothing.
func (o *open) answer(q question) (any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	item := o.known[topic{q.external.provider, q.key}]
	value, ok := item.Value.(string)
	if !ok && item.Err == nil {
		item.Err = fmt.Errorf("the Provider %s says %s, where a string is to stand", q.external.provider, mutators.KindOf(item.Value))
	}
	if item.Err != nil {
		switch q.external.onFailure {
		case onFailureIgnore:
			return q.stood, nil
		case onFailureUseDefault:
			value = q.external.fallback
		default:
			return nil, item.Err
		}
	}
	o.said[topic{q.external.provider, value}] = true
	return value, nil
}
