package policies

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func ofKinds(kinds ...GroupKind) func(*Spec) { return func(s *Spec) { s.Match.Kinds = kinds } }

// askedOf lists the policies that are asked.
func askedOf(set *Set, req *review.Request) string {
	concerned, _ := set.match(context.Background(), req, nil, Past{}, nil)
	var out []string
	for _, a := range concerned {
		out = append(out, a.spec.ID)
	}
	return strings.Join(out, " ")
}

func TestKinds(t *testing.T) {
	const refuse = "package template\nviolation[{\"msg\": \"no\"}] { true }"
	const native = "package native\ndeny contains \"no\""
	set := compiled(t,
		violationOf(t, "a-any", refuse),
		violationOf(t, "b-deployment", refuse, ofKinds(GroupKind{"apps", "Deployment"})),
		violationOf(t, "c-apps", refuse, ofKinds(GroupKind{"apps", "*"})),
		violationOf(t, "d-scale", refuse, ofKinds(GroupKind{"*", "Scale"})),
		violationOf(t, "e-star", refuse, ofKinds(GroupKind{"*", "*"})),
		specOf(t, "f-deployments", native, on(Resource{Group: "apps", Resource: "deployments"})),
		violationOf(t, "g-pod-twice", refuse, ofKinds(GroupKind{"", "Pod"}, GroupKind{"", "Pod"}, GroupKind{"apps", "*"})),
		violationOf(t, "h-kind-and-resource", refuse, ofKinds(GroupKind{"apps", "Deployment"}), on(Resource{Group: "apps", Resource: "deployments"})),
		violationOf(t, "i-off", refuse, ofKinds(GroupKind{"*", "*"}), func(s *Spec) { s.Enforcement = EnforceOff }),
	)
	request := func(group, resource, subresource, kind, operation, object, old string) *review.Request {
		return admissionOf(t, fmt.Sprintf(`"kind":{"group":%q,"version":"v1","kind":%q},"resource":{"group":%q,"version":"v1","resource":%q},
			"subResource":%q,"operation":%q,"object":%s,"oldObject":%s`, group, kind, group, resource, subresource, operation, object, old))
	}
	for name, test := range map[string]struct {
		req  *review.Request
		want string
	}{
		"exactly": {
			request("apps", "deployments", "", "Deployment", "CREATE", `{"apiVersion":"apps/v1","kind":"Deployment"}`, "null"),
			"a-any b-deployment c-apps e-star f-deployments g-pod-twice h-kind-and-resource",
		},
		"one of a group":      {request("apps", "daemonsets", "", "DaemonSet", "CREATE", `{"kind":"DaemonSet","apiVersion":"apps/v1"}`, "null"), "a-any c-apps e-star g-pod-twice"},
		"the core group":      {request("", "pods", "", "Pod", "CREATE", `{"kind":"Pod","apiVersion":"v1"}`, "null"), "a-any e-star g-pod-twice"},
		"of no group":         {request("", "services", "", "Service", "CREATE", `{"kind":"Service","apiVersion":"v1"}`, "null"), "a-any e-star"},
		"a kind of any group": {request("apps", "deployments", "scale", "Scale", "UPDATE", `{"kind":"Scale","apiVersion":"autoscaling/v1"}`, `{"kind":"Scale","apiVersion":"autoscaling/v1"}`), "a-any d-scale e-star"},
		"where both meet":     {request("apps", "scales", "", "Scale", "CREATE", `{"kind":"Scale","apiVersion":"apps/v1"}`, "null"), "a-any c-apps d-scale e-star g-pod-twice"},
		"the object's own":    {request("extensions", "deployments", "", "Deployment", "CREATE", `{"metadata":{"kind":"Pod"},"spec":{},"kind":"Deployment","apiVersion":"apps/v1"}`, "null"), "a-any b-deployment c-apps e-star g-pod-twice"},
		"the old object's":    {request("x", "y", "", "Y", "DELETE", "null", `{"kind":"Pod","apiVersion":"v1"}`), "a-any e-star g-pod-twice"},
		"the new one's first": {request("x", "y", "", "Y", "UPDATE", `{"kind":"Z","apiVersion":"x/v1"}`, `{"kind":"Pod","apiVersion":"v1"}`), "a-any e-star"},
		"neither says":        {request("apps", "deployments", "", "Deployment", "CREATE", `{"kind":1,"apiVersion":"v1"}`, "null"), "a-any b-deployment c-apps e-star f-deployments g-pod-twice h-kind-and-resource"},
		"there is none":       {request("", "pods", "", "Pod", "DELETE", "null", "null"), "a-any e-star g-pod-twice"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := askedOf(set, test.req); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// Which policies a request concerns is said by two lists, and put together only where neither is empty.
func TestNoListIsMadeForOneOfTwo(t *testing.T) {
	const refuse = "package template\nviolation[{\"msg\": \"no\"}] { true }"
	pods := Resource{Resource: "pods"}
	named := compiled(t, violationOf(t, "a", refuse, ofKinds(GroupKind{"", "Pod"})), specOf(t, "b", "package b\ndeny contains 1", on(Resource{Resource: "secrets"})))
	other := compiled(t, violationOf(t, "a", refuse, ofKinds(GroupKind{"", "Secret"})), specOf(t, "b", "package b\ndeny contains 1", on(pods)))
	nobody := compiled(t, violationOf(t, "a", refuse, ofKinds(GroupKind{"", "Secret"})))
	req := podCreate(t, `{"apiVersion":"v1","kind":"Pod","spec":{}}`)
	for name, set := range map[string]*Set{"kinds": named, "resources": other, "neither": nobody} {
		// The one is the reader of the object's kind.
		if allocs := testing.AllocsPerRun(100, func() { set.index.candidates(req) }); allocs > 1 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func TestExceptionFromAPolicyThatNamesKinds(t *testing.T) {
	set, err := Compile(t.Context(), []Spec{
		violationOf(t, "K8sNo/web", "package template\nviolation[{\"msg\": \"no\"}] { true }", ofKinds(GroupKind{"", "Pod"})),
	}, WithExceptions([]Exception{{
		Namespace: "shop", Name: "legacy", Policies: []string{"K8sNo/web"}, Match: Match{Resources: []Resource{{Resource: "pods"}}},
		Expires: time.Now().Add(time.Hour),
	}}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := verdict(t, set, podCreate(t, `{"apiVersion":"v1","kind":"Pod"}`)), "allow [K8sNo/web (excepted): no]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The lists of the index are those that a look at every policy would find.
func TestKindIndexFindsWhatALookAtEachWould(t *testing.T) {
	var all []*Policy
	groups, kinds := []string{"", "apps", "x", "*"}, []string{"Pod", "Scale", "Y", "*"}
	for i := range 200 {
		p := &Policy{code: &code{queries: []*query{{stage: review.Validate}}}, spec: Spec{ID: fmt.Sprint(i), Enforcement: EnforceDeny}}
		for j := range 1 + i%3 {
			p.spec.Match.Kinds = append(p.spec.Match.Kinds, GroupKind{groups[(i*7+j*3)%4], kinds[(i/4*5+j)%4]})
		}
		all = append(all, p)
	}
	x := newIndex(all)
	fits := func(name, is string) bool { return name == "*" || name == is }
	for _, group := range []string{"", "apps", "x", "other"} {
		for _, kind := range []string{"Pod", "Scale", "Y", "Other"} {
			var got, want []int
			for _, a := range x.candidates(&review.Request{Stage: review.Validate, Target: review.Target{Group: group, Kind: kind, Resource: "r"}}) {
				got = append(got, a.number)
			}
			for number, p := range all {
				if slices.ContainsFunc(p.spec.Match.Kinds, func(k GroupKind) bool { return fits(k.Group, group) && fits(k.Kind, kind) }) {
					want = append(want, number)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s/%s: got %v, want %v", group, kind, got, want)
			}
		}
	}
}
