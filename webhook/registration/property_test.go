package registration

import (
	"reflect"
	"slices"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// wants says in the plainest way what an interest means.
func (i Interest) wants(r request) bool {
	of := func(pattern, name string) bool { return pattern == "*" || pattern == name }
	resource := i.Resources == nil || slices.ContainsFunc(i.Resources, func(x Resource) bool {
		return of(x.Group, r.Group) && of(x.Resource, r.Resource.Resource) && of(x.Subresource, r.Subresource)
	})
	operation := i.Operations == nil || slices.Contains(i.Operations, r.operation)
	namespace := len(i.Namespaces) == 0 || slices.ContainsFunc(i.Namespaces, func(g string) bool { return parse(g).matches(r.namespace) })
	cluster := r.namespace == "" || r.Resource == Resource{"", "namespaces", ""}
	scope := i.Scope == "" || i.Scope == "*" || (i.Scope == admissionregistrationv1.ClusterScope) == cluster
	return resource && operation && namespace && scope && (i.Phase != Mutate || r.operation != remove)
}

// wishFor is how a request should be asked about.
func wishFor(interests []Interest, phase Phase, r request) int {
	level := nobody
	for _, i := range interests {
		switch {
		case i.Phase != phase || !i.wants(r):
		case i.Fail:
			return enforced
		default:
			level = observed
		}
	}
	return level
}

// anywhere is the same without the namespaces.
func anywhere(interests []Interest) []Interest {
	interests = slices.Clone(interests)
	for n := range interests {
		interests[n].Namespaces = nil
	}
	return interests
}

func anInterest() *rapid.Generator[Interest] {
	return rapid.Custom(func(t *rapid.T) Interest {
		i := Interest{
			Phase: rapid.SampledFrom([]Phase{Mutate, Validate}).Draw(t, "phase"),
			Scope: rapid.SampledFrom([]admissionregistrationv1.ScopeType{"", "", "", "*", "Cluster", "Namespaced"}).Draw(t, "scope"),
			Fail:  rapid.Bool().Draw(t, "fail"),
		}
		if rapid.IntRange(0, 9).Draw(t, "resources") > 0 {
			i.Resources = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Resource {
				return Resource{
					rapid.SampledFrom([]string{"", "apps", "*"}).Draw(t, "group"),
					rapid.SampledFrom([]string{"pods", "deployments", "namespaces", "nodes", "*"}).Draw(t, "resource"),
					rapid.SampledFrom([]string{"", "", "scale", "*"}).Draw(t, "subresource"),
				}
			}), 1, 3).Draw(t, "list")
		}
		if rapid.Bool().Draw(t, "operations") {
			i.Operations = rapid.SliceOfNDistinct(rapid.SampledFrom(operations()), 1, 4, rapid.ID).Draw(t, "verbs")
		}
		if rapid.Bool().Draw(t, "somewhere") {
			i.Namespaces = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "a*", "b*", "*a", "*b", "*a*", "*"}), 1, 3).Draw(t, "namespaces")
		}
		return i
	})
}

func someInterests() *rapid.Generator[[]Interest] { return rapid.SliceOfN(anInterest(), 0, 4) }

// everyRequest is every request of a small world.
func everyRequest() (out []request) {
	for _, group := range []string{"", "apps", "example.com"} {
		for _, resource := range []string{"pods", "deployments", "namespaces"} {
			for _, subresource := range []string{"", "scale", "status"} {
				for _, operation := range operations() {
					for _, namespace := range []string{"", "a", "ab", "ba", "c"} {
						r := request{Resource: Resource{group, resource, subresource}, operation: operation, namespace: namespace, name: "a", user: "alice"}
						if (r.Resource == Resource{"", "namespaces", ""}) {
							r.name = namespace
						}
						out = append(out, r)
					}
				}
			}
		}
	}
	return out
}

// asked is the level at which what is planned asks about a request. It reads the rules of the webhooks; their conditions take long to
// compile, so it takes them for what they mean.
func asked(list []Interest, phase Phase) func(request) int {
	c := Plan(list, testOptions())
	rules := map[string][]atom{}
	for _, h := range c.Mutating.Webhooks {
		rules[h.Name] = read(h.Rules)
	}
	for _, h := range c.Validating.Webhooks {
		rules[h.Name] = read(h.Rules)
	}
	enforce, observe := split(phase, list)
	return func(r request) int {
		for _, d := range []struct {
			atoms      []atom
			namespaces []string
			level      int
		}{{rules[enforceName(phase)], enforce.namespaces, enforced}, {rules[observeName(phase)], observe.namespaces, observed}} {
			i := Interest{Phase: phase, Namespaces: d.namespaces}
			if i.wants(r) && slices.ContainsFunc(d.atoms, func(a atom) bool {
				return interests(wish{phase, false, demand{atoms: []atom{a}}})[0].wants(r)
			}) {
				return d.level
			}
		}
		return nobody
	}
}

// Whatever policies want to be asked about is asked about, with Fail if one of them says so; and what none of them mentions is not.
func TestPlanAsksWhatIsWanted(t *testing.T) {
	world := everyRequest()
	rapid.Check(t, func(t *rapid.T) {
		interests := someInterests().Draw(t, "interests")
		for _, phase := range []Phase{Mutate, Validate} {
			level := asked(interests, phase)
			for _, r := range world {
				want, got := wishFor(interests, phase, r), level(r)
				if got < want {
					t.Fatalf("%s %+v: asked at level %d, wanted %d", phase, r, got, want)
				}
				if most := wishFor(anywhere(interests), phase, r); got > most {
					t.Fatalf("%s %+v: asked at level %d, but no policy mentions more than %d", phase, r, got, most)
				}
			}
		}
	})
}

// What two plans have in common is all that both ask, and no more than each names; and a plan has itself in common with itself, to the byte.
func TestMeet(t *testing.T) {
	world := everyRequest()
	rapid.Check(t, func(t *rapid.T) {
		a, b := someInterests().Draw(t, "a"), someInterests().Draw(t, "b")
		both := meet(a, b)
		for _, phase := range []Phase{Mutate, Validate} {
			level := asked(both, phase)
			for _, r := range world {
				least := min(wishFor(a, phase, r), wishFor(b, phase, r))
				if got := level(r); got < least {
					t.Fatalf("%s %+v: asked at level %d, but both ask at %d", phase, r, got, least)
				}
				if most := min(wishFor(anywhere(a), phase, r), wishFor(anywhere(b), phase, r)); level(r) > most {
					t.Fatalf("%s %+v: asked at level %d, but one names it at no more than %d", phase, r, level(r), most)
				}
			}
		}
		if again := Plan(meet(a, a), testOptions()); !reflect.DeepEqual(again, Plan(a, testOptions())) {
			t.Fatalf("what a plan has in common with itself is %+v", again)
		}
	})
}

func TestPatterns(t *testing.T) {
	globs := []string{"*", "a", "b", "ab", "a*", "ab*", "b*", "*a", "*b", "*ab", "*a*", "*ab*", "**"}
	names := []string{"a", "b", "ab", "ba", "aab", "abb", "bab", "aba", "c", "cab", "abc"}
	for _, g := range globs {
		for _, h := range globs {
			p, q := parse(g), parse(h)
			for _, name := range names {
				if p.covers(q) && q.matches(name) && !p.matches(name) {
					t.Errorf("%q is said to cover %q, but %q", g, h, name)
				}
				if p.disjoint(q) && p.matches(name) && q.matches(name) {
					t.Errorf("%q and %q are said to be disjoint, but %q", g, h, name)
				}
			}
		}
	}
}

// What is registered can be read back by the leader that comes next.
func TestRegisteredIsReadBack(t *testing.T) {
	for name, plan := range plans() {
		for n := range plan.interests {
			plan.interests[n].Namespaces = nil // are not read back
		}
		c := Plan(plan.interests, plan.options)
		objects, err := c.objects()
		if err != nil {
			t.Fatal(err)
		}
		again := append(registered(Validate, objects[0].Webhooks), registered(Mutate, objects[1].Webhooks)...)
		if got := Plan(again, plan.options); !reflect.DeepEqual(got, c) {
			t.Errorf("%s: read back as %+v", name, again)
		}
	}
}

// The conditions mean what the plan says: a few plans are judged by the API server's code.
func TestConditionsMeanNamespaces(t *testing.T) {
	interests := plans()["in-namespaces"].interests
	c := Plan(interests, testOptions())
	found := judges(t, Validate, c)
	for _, namespace := range []string{"prod-eu", "team-a", "team-b", "shop-live", "xylophone", "dev", "default", corev1.NamespaceNodeLease, metav1.NamespaceSystem} {
		r := request{Resource: Resource{"", "pods", ""}, operation: create, namespace: namespace, name: "p", user: "alice"}
		want := wishFor(interests, Validate, r)
		if slices.Contains(testOptions().exempt(), namespace) {
			want = nobody
		}
		if got := level(t, Validate, found, r); got != want {
			t.Errorf("%s: asked at level %d, want %d", namespace, got, want)
		}
	}
}
