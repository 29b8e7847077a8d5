package replicas

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// replica starts one of the release's replicas, and returns what ends it: in order, or as if it was killed.
func replica(t *testing.T, client *fake.Clientset, name string, changed func()) (r *Replicas, leave, kill func()) {
	t.Helper()
	r, stop := begin(t, Options{Client: client, Namespace: "ours", Name: "portcullis", Replica: name}, changed)
	return r, stop, func() {
		lease, err := client.CoordinationV1().Leases("ours").Get(t.Context(), "portcullis-replica-"+name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		lease.ResourceVersion = ""
		if _, err := client.CoordinationV1().Leases("ours").Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
}

// begin starts a replica, and returns what ends it in order.
func begin(t *testing.T, o Options, changed func()) (r *Replicas, leave func()) {
	t.Helper()
	r, err := New(o, changed)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return r, func() {
		cancel()
		<-ended
		synctest.Wait()
	}
}

func names(t *testing.T, r *Replicas) (out []string) {
	t.Helper()
	members, err := r.Members()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		out = append(out, m.Name)
	}
	return out
}

// agree reports whether every replica that r knows to be alive serves that revision.
func agree(r *Replicas, revision string) bool {
	members, err := r.Members()
	return err == nil && !slices.ContainsFunc(members, func(m Member) bool { return m.Revision != revision })
}

func TestMembersAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var changes atomic.Int32
		a, leaveA, _ := replica(t, client, "a", func() { changes.Add(1) })
		defer leaveA()
		b, leaveB, _ := replica(t, client, "b", nil)
		c, _, killC := replica(t, client, "c", nil)
		synctest.Wait()
		if got := names(t, a); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Fatalf("the members are %v", got)
		}
		if agree(a, "r1") {
			t.Error("replicas that serve nothing agree on r1")
		}
		before, policies := changes.Load(), Serving(map[string]string{"team": "v1"})
		for _, r := range []*Replicas{a, b, c} {
			r.Serve(State{Revision: "r1", Policies: policies, Certificate: "c1", Heard: "guard", Pages: "10.0.0.7:10443"})
		}
		synctest.Wait() // no time has passed: a change is told at once
		if !agree(a, "r1") || !agree(c, "r1") || agree(a, "r2") {
			t.Error("replicas that serve r1 do not agree on it")
		}
		if changes.Load() == before {
			t.Error("nobody was told that the replicas serve something else")
		}
		members, _ := b.Members()
		if members[0] != (Member{"a", State{"r1", policies, "c1", "guard", "10.0.0.7:10443"}}) {
			t.Errorf("replica a is %+v", members[0])
		}
		if m := members[0]; !m.Serves("r1", "any", "v1") || !m.Serves("r9", "team", "v1") || m.Serves("r9", "team", "v2") || m.Serves("r9", "any", "v1") {
			t.Error("what replica a serves is not told policy by policy")
		}

		a.Serve(State{Revision: "r2"})
		b.Serve(State{Revision: "r2"})
		synctest.Wait()
		if agree(a, "r2") {
			t.Error("they agree on r2 although c serves r1")
		}
		killC()
		before = changes.Load()
		time.Sleep(leaseTime - time.Second)
		if agree(a, "r2") {
			t.Error("c, which may be alive, does not count any more")
		}
		time.Sleep(2*renewEvery + time.Second)
		synctest.Wait()
		if !agree(a, "r2") || changes.Load() == before {
			t.Error("c, which was killed, still counts, or nobody was told that it does not")
		}

		leaveB()
		if got := names(t, a); !slices.Equal(got, []string{"a"}) {
			t.Errorf("b has left, and the members are %v", got)
		}
	})
}

// Who cannot tell whether the others are alive must not say that all of them agree.
func TestMembersUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		a, err := New(Options{Client: client, Namespace: "ours", Name: "portcullis", Replica: "a"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		const unknown = "the replicas are not known: the Lease portcullis-replica-a of this one was not seen to be renewed for 15s"
		if _, err := a.Members(); err == nil || err.Error() != unknown {
			t.Errorf("before it runs: %v", err)
		}
		if agree(a, "") {
			t.Error("before it runs, the replicas agree")
		}
		_, leave, _ := replica(t, client, "b", nil)
		defer leave()
		ctx, cancel := context.WithCancel(t.Context())
		go a.Run(ctx)
		synctest.Wait()
		if !agree(a, "") {
			t.Error("they do not agree on nothing")
		}
		cancel()
		synctest.Wait()
		time.Sleep(leaseTime)
		if agree(a, "") {
			t.Error("without a watch, the replicas agree")
		}
	})
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		a, leave, _ := replica(t, client, "a", nil)
		defer leave()
		_, _, kill := replica(t, client, "b", nil)
		synctest.Wait()
		kill()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Sweep(ctx)
		there := func() bool {
			_, err := client.CoordinationV1().Leases("ours").Get(t.Context(), "portcullis-replica-b", metav1.GetOptions{})
			return err == nil
		}
		time.Sleep(leaseTime + sweepAfter - time.Second)
		synctest.Wait()
		if !there() {
			t.Error("the Lease is gone too early")
		}
		time.Sleep(sweepAfter/10 + time.Second)
		synctest.Wait()
		if there() {
			t.Error("the Lease is not deleted")
		}
		if got := names(t, a); !slices.Equal(got, []string{"a"}) {
			t.Errorf("the members are %v", got)
		}
	})
}

func TestOptionsRefused(t *testing.T) {
	client := fake.NewClientset()
	for _, row := range []struct {
		options Options
		want    string
	}{
		{Options{}, "the replicas of a release cannot know of each other without a client"},
		{
			Options{Client: client, Name: "portcullis", Replica: "a"},
			`a replica needs a namespace, a release and a name of its own, not "", "portcullis" and "a"`,
		},
		{
			Options{Client: client, Namespace: "ours", Name: "portcullis", Replica: "My_Host"},
			`the replica's name "My_Host" cannot be part of a Lease's name; give it another one with --replica: a lowercase RFC 1123 ` +
				`subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character ` +
				`(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		},
	} {
		if _, err := New(row.options, nil); err == nil || err.Error() != row.want {
			t.Errorf("%+v: %v", row.options, err)
		}
		if err := Lead(t.Context(), row.options, nil); err == nil || err.Error() != row.want {
			t.Errorf("lead: %+v: %v", row.options, err)
		}
	}
}
