package sweep

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Run sweeps until ctx ends; then it returns nil.
func (s *Sweep) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ticker := time.NewTicker(s.options.times.look)
	defer ticker.Stop()
	var discovered time.Time
	begun := time.Now()
	for {
		known := s.members()
		s.again(time.Now())
		s.mu.Lock()
		missing := !s.listed
		s.mu.Unlock()
		if missing || time.Since(discovered) >= s.options.times.discover {
			discovered = time.Now()
			s.discover(ctx)
		}
		if known || time.Since(begun) > grace {
			s.follow(ctx, &wg)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.looks:
		}
	}
}

// wake has Run look at once.
func (s *Sweep) wake() {
	select {
	case s.looks <- struct{}{}:
	default:
	}
}

// rediscover has the cluster asked for its resources soon.
func (s *Sweep) rediscover() {
	s.mu.Lock()
	s.listed = false
	s.mu.Unlock()
}

// members takes notice of who is alive, and reports whether that is known. What others judge from now on is forgotten, and what was theirs is listed.
func (s *Sweep) members() bool {
	if s.options.Members == nil {
		return true
	}
	live, err := s.options.Members()
	if err != nil {
		return false // who is not known to be gone is not
	}
	next := newShare(s.options.Own, live)
	if next.equal(*s.share.Load()) {
		return true
	}
	s.options.Log.Info("objects are shared anew", "replicas", next.names)
	s.share.Store(&next)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		k.shelf.dropIf(func(id key, _ entry) bool { return !next.mine(id) })
		k.want(want{list: true})
	}
	return true
}

// again has policies asked again whose surroundings have changed, or whose time has come.
func (s *Sweep) again(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	policies := s.force.Load()
	for _, policy := range policies.List {
		if n, audited := policies.numbers[policy.ID]; audited && !policy.Until.IsZero() && !policy.Until.After(now) &&
			!s.expired[policy.ID].Equal(policy.Until) {
			s.expired[policy.ID] = policy.Until
			s.ask(n, policy.concerns)
		}
	}
	known := policies.byID()
	for id := range s.touched {
		n, audited := policies.numbers[id]
		if audited && s.rests[id].After(now) {
			continue
		}
		delete(s.touched, id)
		if audited {
			s.rests[id] = now.Add(max(s.options.times.gather, 10*s.longest(known[id])))
			s.ask(n, known[id].concerns)
		}
	}
}

// longest is how long the resource took, of those that a policy concerns, that took longest.
func (s *Sweep) longest(p Policy) (out time.Duration) {
	for _, k := range s.kinds {
		if p.concerns(k.resource) {
			out = max(out, time.Duration(k.took.Load()))
		}
	}
	return out
}

// discover asks the cluster for its resources. Those of which it could not tell, as of an extension that is away, are what they were.
func (s *Sweep) discover(ctx context.Context) {
	found, err := s.cluster.Resources(ctx)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	trouble := ""
	if err != nil {
		trouble = "Not all kinds of the cluster can be told: " + err.Error() + "."
		for _, before := range s.resources {
			same := func(r Resource) bool { return r.Group == before.Group }
			if !slices.ContainsFunc(found, same) {
				found = append(found, before)
			}
		}
	}
	if trouble != s.troubled && trouble != "" {
		s.options.Log.Warn("the audit does not know all kinds of the cluster", "error", err)
	}
	s.troubled, s.listed = trouble, err == nil || len(found) > 0
	s.resources, s.followed = found, nil
}

// follow begins to follow resources that some policy concerns, and ends to follow others.
func (s *Sweep) follow(ctx context.Context, wg *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	policies := s.force.Load()
	if s.listed {
		s.followed = policies
	}
	wanted := map[Resource]bool{}
	for _, r := range s.resources {
		if policies.concern(r) {
			wanted[r] = true
		}
	}
	for r, k := range s.kinds {
		if !wanted[r] {
			k.cancel()
			k.shelf.clear()
			delete(s.kinds, r)
			s.room.changes.Add(1)
		}
	}
	for r := range wanted {
		if s.kinds[r] != nil {
			continue
		}
		lasting, cancel := context.WithCancel(ctx)
		k := &kind{Sweep: s, resource: r, shelf: newShelf(s.room), cancel: cancel, limit: s.options.limit, retry: retryErrored, woken: make(chan struct{}, 1)}
		s.kinds[r] = k
		wg.Go(func() {
			defer k.shelf.clear() // whatever was still being judged when it ended
			k.run(lasting)
		})
	}
}
