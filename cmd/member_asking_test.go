package cmd

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// While the same is wrong the same is said, or each Policy's status would be written with each probe.
func TestWhatLastsIsSaidInTheSameWords(t *testing.T) {
	for text, want := range map[string]string{
		"the probe: read tcp 10.0.0.1:53412->10.0.0.2:443: connection reset by peer":                                   "the probe: read tcp 10.0.0.2:443: connection reset by peer",
		"lookup x on 10.96.0.10:53: read udp [::1]:4711->10.96.0.10:53: i/o timeout":                                   "lookup x on 10.96.0.10:53: read udp 10.96.0.10:53: i/o timeout",
		"x509: certificate has expired: current time 2026-07-01T12:00:00Z is after 2026-06-30T12:00:00Z":               "x509: certificate has expired: now is after 2026-06-30T12:00:00Z",
		`leases.coordination.k8s.io "portcullis-probe-4sppt7bkrdt2q4ml" is forbidden: no`:                              `leases.coordination.k8s.io "portcullis-probe" is forbidden: no`,
		`Post "https://portcullis.guard.svc:443/probe?timeout=3s": dial tcp 10.0.0.2:443: connect: connection refused`: `Post "https://portcullis.guard.svc:443/probe?timeout=3s": dial tcp 10.0.0.2:443: connect: connection refused`,
	} {
		c := &member{}
		c.stand(&registration.Standing{Err: errors.New(text)})
		if got := c.standing.Err.Error(); got != want {
			t.Errorf("%s\nis said as %s", text, got)
		}
	}
}

// A kind that the cluster does not serve is told of as what it is; one that is served in one of the groups it is named in is none.
func TestUnaskedOfWhatIsNotServed(t *testing.T) {
	const remedy = ", or not yet, and is asked about it once it does; correct the spelling of the kind and its group, or install its CRD"
	for _, row := range []struct {
		kinds []policies.GroupKind
		want  string
		all   bool
	}{
		{[]policies.GroupKind{{Group: "apps", Kind: "Deployments"}}, "the cluster does not serve Deployments.apps" + remedy, true},
		{[]policies.GroupKind{{Group: "*", Kind: "Widget"}, {Kind: "Pod"}}, "the cluster does not serve Widget" + remedy, false},
		{[]policies.GroupKind{{Kind: "Pod"}, {Group: "apps", Kind: "Pod"}, {Group: "*", Kind: "*"}}, "", false},
	} {
		served := &servedKinds{wanted: make(chan struct{}, 1)}
		served.learn([]*metav1.APIResourceList{servedList("v1", "pods", "Pod")}, nil)
		c := &member{served: served}
		spec := policies.Spec{
			Rules: []policies.Rule{{Stage: review.Validate}}, Convention: policies.Gatekeeper, OnError: policies.OnErrorDeny,
			Match: policies.Match{Kinds: row.kinds},
		}
		if got, all := c.unasked(spec); strings.Join(got, "\n") != row.want || all != row.all {
			t.Errorf("%v: all=%v\n got %s\nwant %s", row.kinds, all, strings.Join(got, "\n"), row.want)
		}
	}
}
