package drills

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// configMap asks the API server to make a ConfigMap, as a dry run: with the label that team wants, or without.
func (w *world) configMap(ctx context.Context, labelled bool) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "x-"}}
	if labelled {
		object.Labels = map[string]string{"team": "a"}
	}
	_, err := w.client.CoreV1().ConfigMaps(work).Create(ctx, object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// refusedBy reports whether a policy has said no.
func refusedBy(err error, policy string) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "denied the request: "+policy+": ")
}

// unanswered reports whether a request was refused because no server had an answer.
func unanswered(err error) bool {
	return err != nil && strings.Contains(err.Error(), `failed calling webhook "enforce.`)
}

// tally is what came of a load.
type tally struct {
	asked, failed int
	why           map[string]int
	slowest       time.Duration
}

func (c tally) String() string {
	out := fmt.Sprintf("%d requests, %d failed, the slowest took %v", c.asked, c.failed, c.slowest.Round(time.Millisecond))
	for _, why := range slices.Sorted(maps.Keys(c.why)) {
		out += fmt.Sprintf("\n  %d: %s", c.why[why], why)
	}
	return out
}

// varies is what differs between equal failures.
var varies = regexp.MustCompile(`\d+(\.\d+){3}:\d+|x-[a-z0-9]{5}`)

// load asks one thing over and over.
type load struct {
	stopping chan struct{}
	workers  sync.WaitGroup

	mu    sync.Mutex
	tally tally
}

// begin has so many workers ask, each with a pause after each answer. ask returns what went wrong, if anything; it is told the number of
// the request.
func begin(t *testing.T, workers int, pause time.Duration, ask func(context.Context, int) error) *load {
	l := &load{stopping: make(chan struct{}), tally: tally{why: map[string]int{}}}
	ctx := context.WithoutCancel(t.Context()) // a request under way when the test ends has not failed
	for worker := range workers {
		l.workers.Go(func() {
			for n := worker; ; n++ {
				select {
				case <-l.stopping:
					return
				case <-time.After(pause):
				}
				began := time.Now()
				l.count(ask(ctx, n), time.Since(began))
			}
		})
	}
	return l
}

func (l *load) count(err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.asked++
	l.tally.slowest = max(l.tally.slowest, took)
	if err != nil {
		l.tally.failed++
		l.tally.why[varies.ReplaceAllString(err.Error(), "...")]++
	}
}

// now is what came of it so far.
func (l *load) now() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.tally
	out.why = maps.Clone(out.why)
	return out
}

// end stops the load and waits for what is under way.
func (l *load) end() tally {
	close(l.stopping)
	l.workers.Wait()
	return l.now()
}

// moves waits for that many more answers.
func (l *load) moves(t *testing.T, more int) {
	t.Helper()
	before := l.now().asked
	until(t, "the load goes on", func() bool { return l.now().asked >= before+more })
}

// load asks about ConfigMaps of which team must refuse one half and admit the other. Everything else is a failure.
func (w *world) load(t *testing.T) *load {
	return begin(t, 4, 10*time.Millisecond, func(ctx context.Context, n int) error {
		labelled := n%2 == 0
		err := w.configMap(ctx, labelled)
		switch {
		case labelled, err != nil && !refusedBy(err, "team"):
			return err
		case err == nil:
			return fmt.Errorf("admitted although team refuses it")
		}
		return nil
	})
}

// flood is a load that leaves nothing out between one server and the next: it is for controls, which must see failures.
func (w *world) flood(t *testing.T) *load {
	return begin(t, 16, 0, func(ctx context.Context, _ int) error { return w.configMap(ctx, true) })
}
