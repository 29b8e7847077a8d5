package external

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/language"
)

// DefaultTTL is for how long a Provider's word is taken when nothing else is said, as by Gatekeeper.
const DefaultTTL = 3 * time.Minute

// Observer hears of the traffic with Providers. Its methods are called while a request waits, from many goroutines, and must return at once.
type Observer interface {
	// Called is called after each call of a Provider, with why there was no answer, if there was none.
	Called(provider string, took time.Duration, err error)
	// Remembered is called with the number of keys for which a Provider was not called, because its word is known.
	Remembered(provider string, keys int)
}

// Options are what may be said about Providers. The zero value is ready for use.
type Options struct {
	Certificate Certificate      // offered to Providers that ask for one; nil: none
	TTL         time.Duration    // for how long a Provider's word is taken; zero is DefaultTTL, and less than zero is for no longer than one review
	Observer    Observer         // nil: nobody
	Clock       func() time.Time // nil: time.Now
}

// Reader reads Providers. It remembers what they said, and the last good version of each, so that one that reads again and again should be
// kept. It must not be used by two goroutines at a time; what it returns may.
type Reader struct {
	options Options
	cache   *cache
	good    []*provider // those of the last reading
}

// NewReader returns a Reader that has read nothing.
func NewReader(o Options) *Reader {
	o.TTL = cmp.Or(o.TTL, DefaultTTL)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Reader{options: o, cache: newCache(o.TTL, o.Clock)}
}

type nobody struct{}

func (nobody) Called(string, time.Duration, error) {}
func (nobody) Remembered(string, int)              {}

// Concerns reports whether a document is a Provider.
func Concerns(d policies.Document) bool {
	gvk := d.Object.GroupVersionKind()
	return gvk.Group == group && gvk.Kind == kind
}

// Read returns the Providers among documents, in whatever order they are; nil if there are none. One that is faulty keeps its last good
// version.
func (r *Reader) Read(docs []policies.Document) (*Providers, policies.Faults) {
	known, places := map[string]*provider{}, map[string]policies.Document{}
	var faults policies.Faults
	for _, d := range docs {
		if !Concerns(d) {
			continue
		}
		name := d.Object.GetName()
		p, fault := read(d, r.options.Certificate)
		if fault != nil {
			faults = append(faults, *fault)
		}
		if last := r.last(name); last != nil && (p == nil || p.digest == last.digest) {
			p = last // with its connections
		}
		if p == nil {
			continue
		}
		if before := known[name]; before != nil && before.digest != p.digest {
			faults = append(faults, *d.Fault(fmt.Errorf("it is also defined in %s; give one of them another name", places[name].At()), "metadata", "name"))
		} else if before == nil {
			known[name], places[name] = p, d
		}
	}
	var good []*provider
	for _, p := range known {
		good = append(good, p)
	}
	slices.SortFunc(good, func(a, b *provider) int { return cmp.Compare(a.name, b.name) })
	for _, p := range r.good {
		if known[p.name] != p {
			p.client.CloseIdleConnections()
		}
	}
	r.good = good
	if len(good) == 0 {
		return nil, faults
	}
	return &Providers{list: good, options: r.options, cache: r.cache}, faults
}

func (r *Reader) last(name string) *provider {
	if i := slices.IndexFunc(r.good, func(p *provider) bool { return p.name == name }); i >= 0 {
		return r.good[i]
	}
	return nil
}

// Providers are those that may be called. They are a policies.External, immutable but for what they remember, and safe for concurrent use.
type Providers struct {
	list    []*provider // by name
	options Options
	cache   *cache
}

var _ policies.External = (*Providers)(nil)

// Names lists the Providers, each with its URL.
func (p *Providers) Names() (out []string) {
	for _, one := range p.list {
		out = append(out, one.name+" ("+one.url+")")
	}
	return out
}

// Revision names the Providers and where they lead.
func (p *Providers) Revision() string {
	sum := sha256.New()
	for _, one := range p.list {
		fmt.Fprintln(sum, one.digest)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Begin returns who answers in one review: there no Provider is called twice for the same.
func (p *Providers) Begin() language.ExternalData { return &session{Providers: p} }
