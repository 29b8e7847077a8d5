package sweep

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/audit"
)

func TestWhatIsThereIsJudgedAndThenWhatChanges(t *testing.T) {
	cluster, judge := newFake(pods, deployments), newJudge()
	cluster.put(pods, "shop", "web", "a b")
	cluster.put(pods, "shop", "db", "")
	s := running(t, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "a1", "b": "b1"}))
	eventually(t, "Pod shop/web a: a1 says no.; Pod shop/web b: b1 says no.; deployments.apps 0; pods 2; a 1/1/0; b 1/1/0", func() string { return said(s) })
	if got := judge.take(); !reflect.DeepEqual(got, map[string]int{"a web": 1, "b web": 1, "a db": 1, "b db": 1}) {
		t.Errorf("asked %v", got)
	}
	since := s.Report().Results[0].Since

	cluster.put(pods, "shop", "web", "a")
	cluster.put(deployments, "", "one", "b")
	eventually(t, "Deployment one b: b1 says no.; Pod shop/web a: a1 says no.; deployments.apps 1; pods 2; a 2/1/0; b 2/1/0", func() string { return said(s) })
	if got := judge.take(); !reflect.DeepEqual(got, map[string]int{"a web": 1, "b web": 1, "a one": 1, "b one": 1}) {
		t.Errorf("asked %v", got)
	}
	if got := s.Report().Results[1].Since; !got.Equal(since) {
		t.Errorf("found at %s, and again at %s", since, got)
	}
	if got := s.Report().Namespaces; !reflect.DeepEqual(got, map[string]audit.Counts{"": {Pass: 1, Fail: 1}, "shop": {Pass: 3, Fail: 1}}) {
		t.Errorf("by namespace %v", got)
	}
	cluster.remove(deployments, "", "one")
	cluster.remove(pods, "shop", "db")
	eventually(t, "Pod shop/web a: a1 says no.; deployments.apps 0; pods 1; a 0/1/0; b 1/0/0", func() string { return said(s) })

	// A policy that is changed, one that goes, and one that comes.
	judge.take()
	cluster.put(pods, "shop", "other", "a c")
	eventually(t, "4", func() string { return fmt.Sprint(len(judge.take()) * 2) })
	s.Use(judge.policies("2", map[string]string{"a": "a2", "c": "c1"}))
	eventually(t, "Pod shop/other a: a2 says no.; Pod shop/other c: c1 says no.; Pod shop/web a: a2 says no.; deployments.apps 0; pods 2; a 0/2/0; c 1/1/0",
		func() string { return said(s) })
	s.Use(judge.policies("3", map[string]string{"a": "a2", "c": "c1"}))
	judge.take()
	s.Use(judge.policies("4", map[string]string{"a": "a2", "c": "c2"}))
	eventually(t, "map[c other:1 c web:1]", func() string { return fmt.Sprint(judge.sofar()) })
	if r := s.Report(); r.Revision != "4" || !r.Whole() {
		t.Errorf("%+v", r)
	}
}

func TestPoliciesAreAskedAgain(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	cluster.put(pods, "shop", "web", "")
	policies := judge.policies("1", map[string]string{"a": "1", "b": "1", "c": "1"})
	policies.List[1].Until = time.Now().Add(200 * time.Millisecond)
	policies.List[2].Unaudited = "It asks who asks."
	s := running(t, Options{Cluster: cluster}, policies)
	eventually(t, "map[a web:1 b web:2 c web:1]", func() string { return fmt.Sprint(judge.sofar()) })
	s.Touch("a", "c", "nobody")
	eventually(t, "map[a web:2 b web:2 c web:1]", func() string { return fmt.Sprint(judge.sofar()) })
	for range 100 {
		s.Touch("a")
	}
	eventually(t, "map[a web:3 b web:2 c web:1]", func() string { return fmt.Sprint(judge.sofar()) })
}

func TestPagesAndTokensThatExpire(t *testing.T) {
	const objects = 25
	want := fmt.Sprintf("pods %d; a %d/0/0", objects, objects)
	for name, refuse := range map[string]func(t *testing.T, cluster *fake) func(Resource, int, string) error{
		"none": func(*testing.T, *fake) func(Resource, int, string) error { return nil },
		"at a page, with a token to go on by": func(*testing.T, *fake) func(Resource, int, string) error {
			done := false
			return func(_ Resource, _ int, token string) error {
				if token == "8" && !done {
					done = true
					return expired("8")
				}
				return nil
			}
		},
		"at a page, without one": func(*testing.T, *fake) func(Resource, int, string) error {
			done := 0
			return func(_ Resource, _ int, token string) error {
				if token == "16" && done < 2 {
					done++
					return expired("")
				}
				return nil
			}
		},
		"again and again": func(*testing.T, *fake) func(Resource, int, string) error {
			done := 0
			return func(_ Resource, _ int, token string) error {
				if token == "16" && done < restarts+2 {
					done++
					return expired("")
				}
				return nil
			}
		},
		"a page that is too large": func(*testing.T, *fake) func(Resource, int, string) error {
			return func(_ Resource, limit int, token string) error {
				if token == "8" && limit > 2 {
					return ErrPageTooLarge
				}
				return nil
			}
		},
		"an API server that is away": func(*testing.T, *fake) func(Resource, int, string) error {
			done := false
			return func(Resource, int, string) error {
				defer func() { done = true }()
				if !done {
					return errors.New("connection refused")
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, judge := newFake(pods), newJudge()
			for i := range objects {
				cluster.put(pods, "shop", fmt.Sprintf("web-%02d", i), "")
			}
			cluster.refuse = refuse(t, cluster)
			s := runningIn(t, 8, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "1"}))
			eventually(t, want, func() string { return said(s) })
			for pair, n := range judge.take() {
				if n != 1 {
					t.Errorf("%s was judged %d times", pair, n)
				}
			}
			cluster.set(func() {
				if cluster.largest > 8 {
					t.Errorf("a page had %d objects", cluster.largest)
				}
			})
			// And what happened between the pages is made up for.
			cluster.put(pods, "shop", "web-00", "a")
			eventually(t, fmt.Sprintf("Pod shop/web-00 a: 1 says no.; pods %d; a %d/1/0", objects, objects-1), func() string { return said(s) })
		})
	}
}

// The rest of a list that expired is of a later time; what happened to the first of it meanwhile is not lost.
func TestWhatHappensBetweenPagesIsMadeUpFor(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	for i := range 10 {
		cluster.put(pods, "shop", fmt.Sprint("web-", i), "")
	}
	done := false
	cluster.refuse = func(_ Resource, _ int, token string) error {
		if token != "8" || done {
			return nil
		}
		done = true
		cluster.version++
		text := fmt.Sprintf(`{"metadata":{"namespace":"shop","name":"web-0","uid":"u","resourceVersion":"%d"},"spec":{"says":"a"}}`, cluster.version)
		cluster.objects[pods]["shop/web-0"] = text
		cluster.tell(pods, "MODIFIED", text)
		return expired("8")
	}
	s := runningIn(t, 8, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "Pod shop/web-0 a: 1 says no.; pods 10; a 9/1/0", func() string { return said(s) })
}

func TestWhatIsMissedByAWatchIsListed(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	cluster.put(pods, "shop", "web", "")
	lost := false
	cluster.refuseW = func(_ Resource, from string) error {
		if from != "2" || lost {
			return nil
		}
		lost = true
		delete(cluster.objects[pods], "shop/web") // nobody is told
		cluster.version = 5
		return expired("")
	}
	s := running(t, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "pods 0", func() string { return said(s) })
}

func TestTroubleIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"forbidden": {
			apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no")), "pods 0 not reconciled: pods may not be listed and watched " +
				"by this server; its service account needs a role with these two verbs, which the chart's value audit.rbac gives it.",
		},
		"not there": {apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, ""), "pods 0 not reconciled: pods is not served by the cluster any more."},
		"anything":  {errors.New("connection refused"), "pods 0 not reconciled: pods could not be listed to the end: connection refused."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, judge := newFake(pods), newJudge()
			cluster.put(pods, "shop", "web", "")
			cluster.refuse = func(Resource, int, string) error { return c.err }
			s := running(t, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "1"}))
			eventually(t, c.want, func() string { return said(s) })
			if _, all := s.Age(); all {
				t.Error("all is listed")
			}
			cluster.set(func() { cluster.refuse = nil })
			eventually(t, "pods 1; a 1/0/0", func() string { return said(s) })
		})
	}
}

func TestKindsComeAndGo(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	cluster.wrong = errors.New("metrics.k8s.io is away")
	s := running(t, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "* 0 not reconciled: Not all kinds of the cluster can be told: metrics.k8s.io is away.; pods 0", func() string { return said(s) })
	cluster.set(func() { cluster.wrong, cluster.resources = nil, []Resource{pods, deployments} })
	cluster.put(deployments, "shop", "web", "a")
	eventually(t, "Deployment shop/web a: 1 says no.; deployments.apps 1; pods 0; a 0/1/0", func() string { return said(s) })
	cluster.set(func() { cluster.resources = []Resource{pods} })
	eventually(t, "pods 0", func() string { return said(s) })
	if age, all := s.Age(); !all || age > time.Minute {
		t.Error(age, all)
	}
}

func TestWhatIsSkippedOrNotKnownIsCounted(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	judge.also = func(about audit.Object) (audit.Judgement, error, bool) {
		switch about.Name {
		case "exempt":
			return audit.Judgement{Skipped: "namespace is exempt"}, nil, true
		case "unknown":
			return audit.Judgement{}, errors.New("it cannot be read"), true
		case "faulty":
			return audit.Judgement{Asked: []string{"a"}, Results: []audit.Result{{Policy: "a", Outcome: audit.Fault, Message: "No answer."}}}, nil, true
		}
		return audit.Judgement{}, nil, false
	}
	for _, name := range []string{"exempt", "unknown", "faulty", "web"} {
		cluster.put(pods, "shop", name, "")
	}
	s := running(t, Options{Cluster: cluster}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "Pod shop/faulty a: No answer.; pods 4 errored 2 (1 namespace is exempt); a 1/0/1", func() string { return said(s) })
	s.Use(judge.policies("2", map[string]string{"a": "2"}))
	eventually(t, "Pod shop/faulty a: No answer.; pods 4 errored 2 (1 namespace is exempt); a 1/0/1", func() string { return said(s) })
}

func TestResultsAreBounded(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	judge.also = func(about audit.Object) (audit.Judgement, error, bool) {
		var many []audit.Result
		for i := range maxOfObject + 50 {
			many = append(many, audit.Result{Policy: "a", Outcome: audit.Fail, Message: fmt.Sprint(i)})
		}
		return audit.Judgement{Asked: []string{"a"}, Results: many}, nil, true
	}
	for i := range 3 {
		cluster.put(pods, "shop", fmt.Sprint("web-", i), "")
	}
	s := running(t, Options{Cluster: cluster, MaxResults: maxOfObject + 20}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "120 330 3", func() string {
		r := s.Report()
		return fmt.Sprint(len(r.Results), r.Omitted, r.Counts["a"].Fail)
	})
	for i := range 3 {
		cluster.remove(pods, "shop", fmt.Sprint("web-", i))
	}
	eventually(t, "pods 0", func() string { return said(s) })
	if s.room.left != maxOfObject+20 {
		t.Errorf("room for %d is left", s.room.left)
	}
}

func TestJudgingWaitsForRequestsButNotForEver(t *testing.T) {
	cluster, judge := newFake(pods), newJudge()
	cluster.put(pods, "shop", "web", strings.Repeat("a", 1))
	asked := 0
	s := running(t, Options{Cluster: cluster, Busy: func() bool { asked++; return true }}, judge.policies("1", map[string]string{"a": "1"}))
	eventually(t, "Pod shop/web a: 1 says no.; pods 1; a 0/1/0", func() string { return said(s) })
	if asked < 10 {
		t.Errorf("it was asked %d times whether requests are under way", asked)
	}
}
