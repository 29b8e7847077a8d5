package review

import "testing"

func TestWhatATargetIsInside(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{Resource: "pods", Namespace: "shop", Name: "web"}, "shop"},
		{Target{Resource: "pods"}, ""},
		{Target{Resource: "nodes", Name: "n1"}, ""},
		{Target{Resource: "namespaces", Name: "shop"}, "shop"},
		{Target{Resource: "namespaces", Namespace: "shop", Name: "shop"}, "shop"},
		{Target{Resource: "namespaces", Subresource: "finalize", Namespace: "shop", Name: "shop"}, "shop"},
		{Target{Resource: "namespaces", Namespace: "kube-system", Name: "shop"}, "shop"},
		{Target{Resource: "namespaces", Namespace: "kube-system"}, ""}, // all of them, wherever the question says to stand
		{Target{Group: "example.com", Resource: "namespaces", Namespace: "shop", Name: "x"}, "shop"},
		{Target{Path: "/metrics"}, ""},
	} {
		if got := c.target.Inside(); got != c.want {
			t.Errorf("%s is inside %q, not %q", c.target, got, c.want)
		}
	}
}
