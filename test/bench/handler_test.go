package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook"
)

func TestMain(m *testing.M) {
	language.Register() // as portcullis does when it starts
	os.Exit(m.Run())
}

// BenchmarkHandler runs the workloads in process and without TLS, for profiles and allocation counts:
//
//	go test -run '^$' -bench Handler/W1 -cpu 1 -cpuprofile cpu.out -memprofile mem.out ./test/bench
func BenchmarkHandler(b *testing.B) {
	for _, bench := range []struct {
		name    string
		policy  func(*testing.B, *lab) policySet
		traffic func(*testing.B) traffic
	}{
		{"W1", bundledSet(podPolicies), podTraffic("/validate", livePod, false)},
		{"W3", bundledSet(func() (policySet, error) { return bundled("pss-restricted") }), missTraffic},
		{"W6", accessSet, func(b *testing.B) traffic { return must(accessTraffic())(b) }},
		{"W8", librarySet(func(s policies.Spec) bool { return asksAbout(s, review.Mutate, "", "pods") }), podTraffic("/mutate", laxPod, true)},
		{"GK", gatekeeperSet, podTraffic("/validate", livePod, false)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			l := &lab{dir: b.TempDir(), progress: io.Discard}
			handler := newHandler(b, bench.policy(b, l))
			traffic := bench.traffic(b)
			b.ReportAllocs()
			b.ResetTimer()
			for number := range uint64(b.N) {
				q := traffic.question(number)
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, q.path, bytes.NewReader(q.body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatalf("%d: %s", w.Code, w.Body)
				}
				if err := q.check(w.Body.Bytes()); err != nil {
					b.Fatalf("%v: %s", err, w.Body)
				}
			}
		})
	}
}

// newHandler is the server's handler over the policies, without metrics.
func newHandler(tb testing.TB, set policySet) http.Handler {
	compiled, err := policies.Compile(tb.Context(), set.specs)
	if err != nil {
		tb.Fatal(err)
	}
	handler, err := webhook.NewHandler(webhook.Endpoints(func(stage review.Stage) review.Reviewer {
		if stage == review.Mutate {
			return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
				return mutators.Chain{mutators.Ask(compiled)}.Review(ctx, req)
			})
		}
		return compiled
	}, 0), nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return handler
}

func librarySet(wanted func(policies.Spec) bool) func(*testing.B, *lab) policySet {
	return func(b *testing.B, l *lab) policySet { return must(l.libraryFor("set", wanted))(b) }
}

func bundledSet(set func() (policySet, error)) func(*testing.B, *lab) policySet {
	return func(b *testing.B, _ *lab) policySet { return must(set())(b) }
}

func accessSet(b *testing.B, l *lab) policySet { return must(l.accessPolicies())(b) }

func gatekeeperSet(b *testing.B, _ *lab) policySet { return constraintsFor(b) }

func podTraffic(path string, kind podKind, patched bool) func(*testing.B) traffic {
	return func(b *testing.B) traffic {
		return must(reviews(path, must(newPods(kind, podCreation))(b), patched))(b)
	}
}

func missTraffic(b *testing.B) traffic {
	var bodies texts
	for _, a := range []admission{configMap(), lease(), event()} {
		bodies = append(bodies, must(a.template())(b))
	}
	return must(reviews("/validate", bodies, false))(b)
}

// must returns what hands over a value unless there was an error.
func must[T any](value T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

// TestAccessAnswers holds the access policies to the answers the workload expects, without a server.
func TestAccessAnswers(t *testing.T) {
	l := &lab{dir: t.TempDir(), progress: io.Discard}
	set := must(l.accessPolicies())(t)
	if len(set.specs) != 20 {
		t.Errorf("there are %d access policies, not 10 guards and 10 grants", len(set.specs))
	}
	everyAnswer(t, newHandler(t, set), must(accessTraffic())(t), len(accesses()))
}

// TestTheLibraryHasWhatIsComparedWithCEL wants each ValidatingAdmissionPolicy to have its like in the library.
func TestTheLibraryHasWhatIsComparedWithCEL(t *testing.T) {
	reader := must(libraryReader())(t)
	for _, name := range must(celNames())(t) {
		if !slices.Contains(reader.Names(), name) {
			t.Errorf("policies/cel/%s.yaml is named like no policy of the library", name)
		}
	}
}

// TestPodsAreAllowed holds the Pods to the policies of the library as it is now.
func TestPodsAreAllowed(t *testing.T) {
	set := must(podPolicies())(t)
	if !slices.ContainsFunc(set.specs, func(s policies.Spec) bool { return s.ID == "pods.privileged" }) {
		t.Error("the library's policy pods.privileged is not among those that judge Pods")
	}
	everyAnswer(t, newHandler(t, set), must(reviews("/validate", must(newPods(livePod, podCreation))(t), false))(t), 3*podShapes)
}

func everyAnswer(t *testing.T, handler http.Handler, all traffic, n int) {
	t.Helper()
	for number := range uint64(n) {
		q := all.question(number)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, q.path, bytes.NewReader(q.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		if err := q.check(w.Body.Bytes()); err != nil {
			t.Fatalf("%s: %v\n%s", q.path, err, w.Body)
		}
	}
}
