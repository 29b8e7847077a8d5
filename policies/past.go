package policies

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/review"
)

// Past is what is known of a request that was answered before and is asked again.
type Past struct {
	// At is when it was asked: time.now_ns and the end of exceptions go by it. Zero is now.
	At time.Time
	// Unknown are the parts of the review that are not what they were, as JSON pointers into it: a policy that looks at one of them, or whose match
	// depends on one, has no answer, and the Fault that stands for it is marked Unknown.
	Unknown []string

	is bool // it is the past: what nobody says of the cluster is not known, rather than nothing
}

// InThePast has the Sets that are asked with the context take the request for one of the past.
func InThePast(ctx context.Context, p Past) context.Context {
	p.is = true
	return context.WithValue(ctx, pastKey{}, &p)
}

type pastKey struct{}

// pastOf is what is known of the request of a context; the zero value if it is one of the present.
func pastOf(ctx context.Context) Past {
	if p, ok := ctx.Value(pastKey{}).(*Past); ok {
		return *p
	}
	return Past{}
}

// errVeiled is why a policy that looks at what is not known has no answer.
var errVeiled = errors.New("it depends on a part of the review that is not known any more")

// hides reports whether anything at or below a part of the review is not known, or that part lies in what is not.
func (p Past) hides(pointer string) bool {
	for _, unknown := range p.Unknown {
		if within(unknown, pointer) || within(pointer, unknown) {
			return true
		}
	}
	return false
}

func within(pointer, outer string) bool {
	rest, ok := strings.CutPrefix(pointer, outer)
	return ok && (rest == "" || rest[0] == '/')
}

// hidesObjects reports whether anything of the object, as it is or as it was, is not known.
func (p Past) hidesObjects() bool { return p.hides("/request/object") || p.hides("/request/oldObject") }

// ofImplied is what is known of an object that another implies: where anything but the metadata of the other is not known nothing of it is, since
// which parts it is made of is for those to know who make it.
func (p Past) ofImplied() Past {
	out := p
	out.Unknown = nil
	for _, unknown := range p.Unknown {
		switch {
		case within(unknown, "/request/object/metadata"), within(unknown, "/request/oldObject/metadata"):
		case within(unknown, "/request/object"), within(unknown, "/request/oldObject"):
			out.Unknown = append(out.Unknown, "/request/object", "/request/oldObject")
		default:
			out.Unknown = append(out.Unknown, unknown)
		}
	}
	return out
}

// covers settles whether a match holds that was found to hold or not by what is known of the labels, where those are not all known. It is doubtful
// where it might hold.
func (p Past) covers(m Match, req *review.Request, namespace func() (Namespace, error), found bool) (covered, doubtful bool, err error) {
	now := p.hides("/request/object/metadata/labels")
	before := p.hides("/request/oldObject/metadata/labels") && req.Verb != "create"
	if len(req.Object) == 0 {
		now = now || before // all there is to go by
	}
	if found && before && m.Labels != nil && len(req.Object) > 0 { // by whose labels?
		set, err := labelsOf(req.Object)
		found = err == nil && m.Labels.Matches(set)
	}
	if !now && (!before || found) { // either's labels suffice
		return found, false, nil
	}
	rest := m
	rest.Labels, rest.Further = nil, nil
	if req.Target.IsNamespace() {
		rest.NamespaceLabels = nil
	}
	byLabels := m.Labels != nil || m.NamespaceLabels != nil && req.Target.IsNamespace()
	if further, ok := m.Further.(interface{ ByLabels() bool }); ok && further.ByLabels() {
		byLabels = true
	} else {
		rest.Further = m.Further
	}
	if !byLabels {
		return found, false, nil
	}
	covered, err = rest.covers(req, namespace)
	return covered, covered, err
}

// hidesException reports whether it cannot be told if one of the exceptions to a policy holds.
func (p Past) hidesException(all []*Exception, req *review.Request, now time.Time) bool {
	labels := p.hides("/request/object/metadata/labels") || p.hides("/request/oldObject/metadata/labels") && len(req.Object) == 0
	name := p.hides("/request/name") || req.Target.Name == "" && p.hides("/request/object/metadata/generateName")
	return (labels || name) && slices.ContainsFunc(all, func(e *Exception) bool {
		rest := *e
		if labels {
			rest.Match.Labels = nil
		}
		if name {
			rest.Names = nil
		}
		narrower := labels && e.Match.Labels != nil || name && len(e.Names) > 0
		return narrower && now.Before(e.Expires) && rest.holds(req)
	})
}

// veil returns the term with a watch on its parts that pointers lead to: looked counts whenever one is looked at. Pointers to what is not
// there are watched, too: whether it was there is not known.
func veil(term *ast.Term, pointers [][]string, looked *atomic.Int64) *ast.Term {
	if len(pointers) == 0 {
		return term
	}
	switch value := term.Value.(type) {
	case ast.Object:
		return veilObject(value, pointers, looked)
	case *ast.Array:
		out := make([]*ast.Term, value.Len())
		for i := range out {
			below, _ := belowOf(pointers, strconv.Itoa(i))
			out[i] = veil(value.Elem(i), below, looked)
		}
		return ast.NewTerm(ast.NewArray(out...))
	}
	return term
}

func veilObject(object ast.Object, pointers [][]string, looked *atomic.Int64) *ast.Term {
	out := veiled{hidden: map[ast.String]bool{}, looked: looked}
	var members [][2]*ast.Term
	object.Foreach(func(key, value *ast.Term) {
		name, _ := key.Value.(ast.String)
		below, whole := belowOf(pointers, string(name))
		if _, ok := value.Value.(*ast.Array); ok && slices.ContainsFunc(below, func(p []string) bool { return len(p) == 1 }) {
			whole = true // one of its elements is not known, and those cannot be watched one by one
		}
		if whole {
			out.hidden[name] = true
		} else {
			value = veil(value, below, looked)
		}
		members = append(members, [2]*ast.Term{key, value})
	})
	for _, pointer := range pointers {
		if len(pointer) == 1 {
			out.hidden[ast.String(pointer[0])] = true
		}
	}
	inner := ast.NewObject(members...)
	if len(out.hidden) == 0 {
		return ast.NewTerm(inner)
	}
	out.inner = inner
	return ast.NewTerm(&out)
}

// belowOf are the pointers that lead on from a member, without its name; whole says that one ends there.
func belowOf(pointers [][]string, name string) (below [][]string, whole bool) {
	for _, pointer := range pointers {
		if pointer[0] != name {
			continue
		}
		if len(pointer) == 1 {
			whole = true
		} else {
			below = append(below, pointer[1:])
		}
	}
	return below, whole
}

// splitPointers makes names of JSON pointers. One to the whole review is one to each of the members that there can be.
func splitPointers(pointers []string) (out [][]string) {
	plain := strings.NewReplacer("~1", "/", "~0", "~")
	for _, pointer := range pointers {
		if pointer == "" {
			out = append(out, []string{"request"}, []string{"spec"})
			continue
		}
		names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
		for i := range names {
			names[i] = plain.Replace(names[i])
		}
		out = append(out, names)
	}
	return out
}

// veil puts the watch on what policies see as input.
func (in *inputs) veil(p Past, req *review.Request) {
	if len(p.Unknown) == 0 {
		return
	}
	in.looked = new(atomic.Int64)
	pointers := splitPointers(p.Unknown)
	for i, member := range in.members {
		name, _ := member[0].Value.(ast.String)
		below, whole := belowOf(pointers, string(name))
		if whole { // nothing of it is known, as of a member that a policy looks at in it
			below = append(below, everyMember(member[1])...)
		}
		in.members[i][1] = veil(member[1], below, in.looked)
	}
	in.bare = ast.ObjectTerm(in.members...)
	if in.admission == nil {
		return
	}
	var theirs [][]string
	for _, pointer := range pointers {
		if pointer[0] != "request" {
			continue
		}
		if len(pointer) == 1 {
			theirs = append(theirs, everyMember(in.admission)...)
			continue
		}
		theirs = append(theirs, pointer[1:])
		if req.Verb == "delete" && pointer[1] == "oldObject" { // of which the object is made
			theirs = append(theirs, append([]string{"object"}, pointer[2:]...))
		}
	}
	in.admission = veil(in.admission, theirs, in.looked)
}

func everyMember(term *ast.Term) (out [][]string) {
	if object, ok := term.Value.(ast.Object); ok {
		object.Foreach(func(key, _ *ast.Term) {
			if name, ok := key.Value.(ast.String); ok {
				out = append(out, []string{string(name)})
			}
		})
	}
	return out
}

// askVeiled asks a rule that may look at what is not known. What it says counts if it did not look, and if it is asked for certain or says nothing;
// what came of an evaluation that failed may have come of a look.
func askVeiled(ctx context.Context, rule asked, in *inputs, cancel topdown.Cancel) answer {
	before := in.looked.Load()
	got := ask(ctx, rule, *in, cancel)
	switch looked := in.looked.Load() != before; {
	case looked || got.err != nil:
		*in = in.unshared() // whoever was told what was found out so would not be seen to look
	case !rule.doubtful || !says(got.value):
		return got
	}
	return answer{asked: rule, err: errVeiled, unknown: true}
}

// says reports whether the value of a rule is anything but nothing.
func says(value ast.Value) bool {
	if object, ok := value.(ast.Object); ok {
		return object.Len() > 0
	}
	return something(value)
}
