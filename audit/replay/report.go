package replay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"
)

// The bounds of a Report, which hold whatever is in the logs.
const (
	maxGroups  = 5_000  // of a policy and a change
	maxNames   = 10_000 // of users, and of namespaces, counted for each group
	maxReasons = 1_000
	shownNames = 10
	// others takes up what is beyond a bound.
	others = "(others)"
)

// Report is what would change.
type Report struct {
	Revision string `json:"revision,omitempty"` // of the policies that were asked
	Against  string `json:"against,omitempty"`  // of those that were asked in place of what was recorded
	Read     int    `json:"read"`               // lines, and events of lists of them
	Replayed int    `json:"replayed"`           // requests that were asked again and compared
	// Changed are the requests of which something would change, by what. One may be among several.
	Changed map[Kind]int `json:"changed"`
	Same    int          `json:"unchanged"`
	Groups  []Group      `json:"groups"` // by Kind, then those of most requests first
	Unsaid  []Reason     `json:"couldNotSay"`
	Passed  []Reason     `json:"nothingToAsk"`
	// Lost are the answers of which the log says that there is no record, and Sampled the requests that stand for several.
	Lost    uint64 `json:"lost,omitempty"`
	Sampled int    `json:"sampled,omitempty"`

	groups map[groupKey]*group
	unsaid map[reasonKey]*Reason
	passed map[reasonKey]*Reason
}

// Group is what would change because of one policy.
type Group struct {
	Kind   Kind   `json:"kind"`
	Policy string `json:"policy,omitempty"` // empty where it cannot be told which
	Count  int    `json:"count"`            // of requests
	// Estimated is Count, with each request of a sample counted for those it stands for; absent where there are none.
	Estimated      int       `json:"estimated,omitempty"`
	Users          []Count   `json:"users"`
	MoreUsers      int       `json:"moreUsers,omitempty"` // names that are not listed
	Namespaces     []Count   `json:"namespaces"`
	MoreNamespaces int       `json:"moreNamespaces,omitempty"`
	Examples       []Example `json:"examples"` // the first ones
}

// Count is how many requests are somebody's, or in a namespace.
type Count struct {
	Name  string `json:"name"` // of a namespace: empty for what is in none
	Count int    `json:"count"`
}

// Example is one request of which something would change.
type Example struct {
	Place
	ID      string          `json:"id"`
	At      time.Time       `json:"at,omitzero"`
	User    string          `json:"user"`
	Stage   string          `json:"stage"`
	Request string          `json:"request"` // "create pods prod/web"
	Says    string          `json:"says,omitempty"`
	Before  json.RawMessage `json:"patchBefore,omitempty"`
	After   json.RawMessage `json:"patchAfter,omitempty"`
}

// Reason is why something was not compared.
type Reason struct {
	Policy string `json:"policy,omitempty"` // whose answer it is that cannot be told
	Why    string `json:"why"`
	Count  int    `json:"count"`
	First  Place  `json:"first"`
	Detail string `json:"detail,omitempty"` // of the first
}

type (
	groupKey  struct{ kind, policy string }
	reasonKey struct{ policy, why string }
	group     struct {
		Group
		estimated         float64
		users, namespaces map[string]int
	}
)

func newReport() *Report {
	return &Report{Changed: map[Kind]int{}, groups: map[groupKey]*group{}, unsaid: map[reasonKey]*Reason{}, passed: map[reasonKey]*Reason{}}
}

// add takes the outcomes in, in the order of the lines.
func (r *Report) add(x *outcome, examples int) {
	r.Read++
	r.Lost += min(x.lost, math.MaxUint64-r.Lost)
	r.Revision, r.Against = cmp.Or(r.Revision, x.revision), cmp.Or(r.Against, x.against)
	switch {
	case x.why != "":
		reasons(r.unsaid, reasonKey{"", x.why}, x)
		return
	case x.passed != "":
		reasons(r.passed, reasonKey{"", x.passed}, x)
		return
	}
	if x.sampled {
		r.Sampled++
	}
	for kind, said := range x.said {
		r.Changed[kind]++
		if len(said) == 0 {
			said = []Said{{}}
		}
		seen := map[string]bool{}
		for _, s := range said {
			if !seen[s.Policy] {
				seen[s.Policy] = true
				r.group(groupKey{string(kind), s.Policy}).add(x, s.Message, examples)
			}
		}
	}
	if len(x.unsaid) > 0 {
		s := x.unsaid[0] // one request is one that could not be told, however many policies look at what is not known
		reasons(r.unsaid, reasonKey{s.Policy, s.Message}, x)
		return
	}
	if r.Replayed++; len(x.said) == 0 {
		r.Same++
	}
}

func reasons(all map[reasonKey]*Reason, key reasonKey, x *outcome) {
	if all[key] == nil && len(all) >= maxReasons {
		key = reasonKey{"", others}
	}
	if all[key] == nil {
		all[key] = &Reason{Policy: key.policy, Why: key.why, First: x.place, Detail: x.detail}
	}
	all[key].Count++
}

func (r *Report) group(key groupKey) *group {
	if r.groups[key] == nil && len(r.groups) >= maxGroups {
		key.policy = others
	}
	if r.groups[key] == nil {
		r.groups[key] = &group{Group: Group{Kind: Kind(key.kind), Policy: key.policy}, users: map[string]int{}, namespaces: map[string]int{}}
	}
	return r.groups[key]
}

func (g *group) add(x *outcome, says string, examples int) {
	req := x.asked.req
	g.Count++
	g.estimated += x.weight
	count(g.users, bounded(req.User.Username))
	count(g.namespaces, bounded(req.Target.Inside()))
	if len(g.Examples) >= examples {
		return
	}
	e := Example{
		Place: x.place, ID: x.id, At: x.at, User: bounded(req.User.Username), Stage: string(x.stage), Request: about(req), Says: says,
	}
	if g.Kind == Patched {
		e.Before, e.After = shownPatch(x.before.patch), shownPatch(x.after.patch)
	}
	g.Examples = append(g.Examples, e)
}

// maxPatch bounds the patch of an example in bytes.
const maxPatch = 4 << 10

func shownPatch(patch []byte) json.RawMessage {
	switch {
	case empty(patch):
		return json.RawMessage("[]")
	case len(patch) > maxPatch:
		return json.RawMessage(`"(too long)"`)
	}
	var out bytes.Buffer
	if json.Compact(&out, patch) != nil {
		return json.RawMessage("[]")
	}
	return out.Bytes()
}

func count(names map[string]int, name string) {
	if _, known := names[name]; !known && len(names) >= maxNames {
		name = others
	}
	names[name]++
}

// finish puts what was counted in order.
func (r *Report) finish() {
	order := Kinds()
	r.Groups = []Group{}
	for _, g := range r.groups {
		g.Users, g.MoreUsers = most(g.users)
		g.Namespaces, g.MoreNamespaces = most(g.namespaces)
		if estimated := int(math.Round(g.estimated)); estimated != g.Count {
			g.Estimated = estimated
		}
		r.Groups = append(r.Groups, g.Group)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Policy, b.Policy))
	})
	r.Unsaid, r.Passed = inOrder(r.unsaid), inOrder(r.passed)
}

// most lists the names with the greatest counts, and how many others there are.
func most(names map[string]int) (out []Count, more int) {
	out = []Count{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, Count{Name: name, Count: names[name]})
	}
	slices.SortStableFunc(out, func(a, b Count) int { return cmp.Compare(b.Count, a.Count) })
	if len(out) > shownNames {
		return out[:shownNames:shownNames], len(out) - shownNames
	}
	return out, 0
}

func inOrder(all map[reasonKey]*Reason) []Reason {
	out := []Reason{}
	for _, reason := range all {
		out = append(out, *reason)
	}
	slices.SortFunc(out, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Why, b.Why))
	})
	return out
}

// Unsayable is how many requests and lines could not be compared.
func (r *Report) Unsayable() int { return total(r.Unsaid) }

// NothingToAsk is how many lines hold nothing that is asked.
func (r *Report) NothingToAsk() int { return total(r.Passed) }

func total(all []Reason) (sum int) {
	for _, reason := range all {
		sum += reason.Count
	}
	return sum
}
