//go:build !race

// What is here is one goroutine, of which the race detector makes minutes. test/all.sh runs it without.

package certs

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestRotationNeverRefused lets leaders crash between and within writes, be deposed without noticing, and replicas lag as long as they
// like, while time passes and clocks are set ahead. Whatever leaf a replica shows, every caller trusts it. Where that cannot be, since
// every authority has expired, all is well again soon, by itself.
func TestRotationNeverRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		leaders := []*Rotation{w.rotation(), w.rotation()}
		leader := 0
		w.settle(leaders[leader])
		run := func(r *Rotation) (recovering bool) {
			k, err := r.read(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			s, _ := r.state(context.Background(), k, w.wall.Now())
			_, known := s.signer(w.wall.Now())
			_, _ = r.once(context.Background()) // a failure is what crash draws
			return !known
		}
		crash := func() {
			kind := rapid.SampledFrom([]string{"", "", "", "", "before", "after", "overtaken"}).Draw(t, "write")
			w.write = func(client.Object) (before, after error) {
				w.write = nil
				switch kind {
				case "before":
					return errors.New("crashed before the write"), nil
				case "after":
					return nil, errors.New("crashed after the write")
				case "overtaken":
					_, _ = leaders[1-leader].once(context.Background())
				}
				return nil, nil
			}
			if kind == "before" || kind == "after" {
				defer func() { leaders[leader] = w.rotation() }()
			}
		}
		draw := func(from, to int, unit time.Duration) time.Duration {
			return time.Duration(rapid.IntRange(from, to).Draw(t, "n")) * unit
		}
		happens := []struct {
			often int // of 100 times
			what  string
			do    func()
		}{
			{30, "the leader takes a step", func() {
				crash()
				recovering := run(leaders[leader])
				w.write = nil
				if recovering {
					w.settle(leaders[leader])
				}
			}},
			{20, "a publication", func() { w.publish(leaders[leader]) }},
			{18, "seconds", func() { w.pass(draw(1, 15, time.Second)) }},
			{12, "a replica hears", func() { w.replicate(rapid.IntRange(0, 2).Draw(t, "replica")) }},
			{5, "hours", func() { w.pass(draw(1, 60, time.Hour)) }},
			{4, "the deposed takes a step", func() {
				if run(leaders[1-leader]) {
					w.settle(leaders[leader])
				}
			}},
			{3, "another leader", func() {
				leader = 1 - leader
				leaders[leader] = w.rotation()
			}},
			{4, "the authorities are lost", func() {
				if s := w.secret(caSecret); s != nil {
					if err := w.store.Delete(context.Background(), s); err != nil {
						t.Fatal(err)
					}
				}
			}},
			{1, "the authority is old", func() { w.pass(244 * 24 * time.Hour) }},
			{2, "the clock is ahead", func() { w.wall.Add(draw(1, 24, time.Hour)) }},
			{1, "the clock is put right", func() {
				w.wall.Add(-draw(1, 24, time.Hour))
				w.settle(leaders[leader]) // what had expired by the wrong clock may be shown again, by somebody who did not hear
			}},
		}
		for range 100 {
			dice := rapid.IntRange(0, 99).Draw(t, "dice")
			for _, event := range happens {
				if dice -= event.often; dice < 0 {
					rapid.Just(event.what).Draw(t, "event")
					event.do()
					break
				}
			}
			if refused := w.refused(); refused != "" {
				t.Fatal(refused)
			}
		}
		w.settle(leaders[leader])
	})
}
