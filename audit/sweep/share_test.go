package sweep

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestEachObjectIsOneReplicas(t *testing.T) {
	live := []string{"a", "b", "c"}
	owners := func(live []string) map[int]string {
		out := map[int]string{}
		for i := range 30_000 {
			for _, own := range live {
				if newShare(own, live).mine(keyOf("pods", "shop", fmt.Sprint(i))) {
					if out[i] != "" {
						t.Fatalf("%d is judged by %s and %s", i, out[i], own)
					}
					out[i] = own
				}
			}
		}
		return out
	}
	three, two := owners(live), owners(live[:2])
	count := map[string]int{}
	for i := range 30_000 {
		count[three[i]]++
		if three[i] == "" || two[i] == "" {
			t.Fatalf("%d is judged by nobody", i)
		}
		if three[i] != "c" && two[i] != three[i] {
			t.Fatalf("%d went from %s to %s because c is gone", i, three[i], two[i])
		}
	}
	for _, own := range live {
		if n := count[own]; n < 9_500 || n > 10_500 {
			t.Errorf("%s has %d of 30,000", own, n)
		}
	}
	if !newShare("a", nil).mine(keyOf("pods", "", "x")) || !newShare("a", []string{"a", "a"}).mine(keyOf("pods", "", "x")) {
		t.Error("who is alone does not judge everything")
	}
}

func TestNoTwoObjectsAreOne(t *testing.T) {
	if keyOf("pods", "a", "bc") == keyOf("pods", "ab", "c") || keyOf("pods", "", "a") == keyOf("podsa", "", "") {
		t.Error("boundaries are not told")
	}
}

// Three replicas of one release, one of which dies and comes back.
func TestReplicasShareTheObjects(t *testing.T) {
	const objects = 300
	cluster, judge := newFake(pods, deployments), newJudge()
	for i := range objects {
		cluster.put(pods, "shop", fmt.Sprint("web-", i), "a")
	}
	var mu sync.Mutex
	live := []string{"one", "two", "three"}
	members := func() ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, live...), nil
	}
	set := func(names ...string) {
		mu.Lock()
		defer mu.Unlock()
		live = names
	}
	var all []*Sweep
	for _, own := range live {
		all = append(all, running(t, Options{Cluster: cluster, Own: own, Members: members}, judge.policies("1", map[string]string{"a": "1"})))
	}
	// told is how many objects are told of, by how many results of how many objects, by so many replicas.
	told := func(replicas ...*Sweep) func() string {
		return func() string {
			listed, results, seen := 0, 0, map[string]bool{}
			for _, s := range replicas {
				r := s.Report()
				for _, c := range r.Coverage {
					if !c.Reconciled() {
						return c.Trouble
					}
					listed += c.Listed
				}
				results += len(r.Results)
				for _, one := range r.Results {
					seen[one.Object.Name] = true
				}
			}
			return fmt.Sprint(listed, results, len(seen))
		}
	}
	whole := fmt.Sprint(objects, objects, objects)
	eventually(t, whole, told(all...))
	judge.take()
	set("one", "three")
	eventually(t, whole, told(all[0], all[2]))
	for pair, n := range judge.take() {
		if n != 1 {
			t.Errorf("%s was judged %d times by those who took over", pair, n)
		}
	}
	set("one", "two", "three")
	eventually(t, whole, told(all...))
	cluster.put(pods, "shop", "new", "a")
	eventually(t, fmt.Sprint(objects+1, objects+1, objects+1), told(all...))
	if n := judge.sofar()["a new"]; n != 1 {
		t.Errorf("what is new was judged %d times", n)
	}
}

func TestReplicasThatAreNotKnownChangeNothing(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	cluster.put(pods, "shop", "web", "a")
	var mu sync.Mutex
	fails := false
	s := running(t, Options{Cluster: cluster, Own: "one", Members: func() ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		if fails {
			return nil, errors.New("not known")
		}
		return []string{"one"}, nil
	}}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "Pod shop/web a: 1 says no.; pods 1; a 0/1/0", func() string { return said(s) })
	mu.Lock()
	fails = true
	mu.Unlock()
	cluster.put(pods, "shop", "db", "")
	eventually(t, "Pod shop/web a: 1 says no.; pods 2; a 1/1/0", func() string { return said(s) })
}
