package decisions

import (
	"sync"
	"time"
)

// gap is what was lost and is not recorded yet.
type gap struct {
	mu  sync.Mutex
	sum Gap
}

// add has lost answers counted whose questions came from and to these moments.
func (g *gap) add(from, to time.Time, lost uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if from = from.UTC(); g.sum.Lost == 0 || from.Before(g.sum.From) {
		g.sum.From = from
	}
	if to = to.UTC(); to.After(g.sum.To) {
		g.sum.To = to
	}
	g.sum.Lost += lost
}

// take returns what was lost, if anything was, and forgets it: who takes it records it, or adds it again.
func (g *gap) take() (Gap, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.sum
	g.sum = Gap{}
	return out, out.Lost > 0
}
