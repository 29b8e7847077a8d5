package replicas

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lead takes part in the election of the release's leader until ctx ends, then returns nil; it returns an error only when the options
// make no sense. While this server leads, run runs; its context ends when the lead is lost or ctx ends, and run must return soon after.
// A server that lost the lead takes part again once run has returned.
//
// A leader that stood still for a while, as the machine it runs on may, learns that its time is over by its own clock, before it goes on.
// Only a write that was under way then may still arrive, so what run writes must be refused if somebody else has written meanwhile: each
// write carries the resourceVersion it is based on.
func Lead(ctx context.Context, o Options, run func(context.Context)) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	// Two processes of one name must not both take the Lease for theirs.
	identity := o.Replica + "_" + rand.String(8)
	for ctx.Err() == nil {
		if err := o.term(ctx, identity, run); err != nil {
			return err
		}
		select { // a run that returned by itself does not get the lead back at once
		case <-ctx.Done():
		case <-time.After(o.times.retry):
		}
	}
	return nil
}

// term waits for the lead, leads once and gives the Lease back.
//
// The elector's own ReleaseOnCancel gives the Lease back before it ends the context of who leads; where the API server does not answer
// that takes as long as a renewal may, and the leader would go on when its Lease is over. So it is given back here, when run has ended.
func (o Options) term(ctx context.Context, identity string, run func(context.Context)) error {
	lock := &held{
		LeaseLock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: o.Namespace, Name: o.leaderLease()},
			Client:     o.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
			Labels:     map[string]string{releaseOfLeader: o.Name},
		},
		lasts: o.times.deadline + o.times.retry,
		lost:  make(chan struct{}),
	}
	began := make(chan context.Context, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: o.leaderLease(),
		LeaseDuration: o.times.lease, RenewDeadline: o.times.deadline, RetryPeriod: o.times.retry,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) { began <- leading },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("elect a leader: %w", err)
	}
	// The Lease is renewed until nobody writes any more, so the elector outlives ctx while this server leads.
	electing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	leaveWaiting := context.AfterFunc(ctx, stop)
	defer leaveWaiting()
	over := make(chan struct{})
	go func() {
		defer close(over)
		elector.Run(electing)
	}()
	select {
	case <-over:
	case leading := <-began:
		leaveWaiting()
		o.lead(ctx, leading, lock.lost, run)
		stop()
		<-over
	}
	o.giveBack(ctx, lock)
	return nil
}

// lead runs run until the lead is lost, which ends leading or closes lost, or ctx ends.
func (o Options) lead(ctx, leading context.Context, lost <-chan struct{}, run func(context.Context)) {
	leading, cancel := context.WithCancel(leading)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	go func() {
		select {
		case <-lost:
			cancel()
		case <-leading.Done():
		}
	}()
	o.Log.Info("this server leads: it writes into the cluster", "replica", o.Replica)
	o.own(leading)
	run(leading)
	o.Log.Info("this server does not lead any more", "replica", o.Replica)
}

// own has the Lease of the leader vanish with its owner. Where that fails it stays, which does no harm.
func (o Options) own(ctx context.Context) {
	owners := o.owners(ctx)
	if owners == nil {
		return
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": owners}})
	if err == nil {
		_, err = o.Client.CoordinationV1().Leases(o.Namespace).Patch(ctx, o.leaderLease(), types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil && ctx.Err() == nil {
		o.Log.Warn("the Lease of the leader stays when the release goes", "error", err)
	}
}

// giveBack lets the next leader begin at once. Where that fails the Lease runs out by itself.
func (o Options) giveBack(ctx context.Context, lock *held) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	record, _, err := lock.Get(ctx)
	if err != nil || record.HolderIdentity != lock.Identity() {
		return
	}
	now := metav1.Now()
	err = lock.Update(ctx, resourcelock.LeaderElectionRecord{
		LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
	})
	if err != nil {
		o.Log.Warn("the Lease of the leader is not given back; it runs out by itself", "error", err)
	}
}
