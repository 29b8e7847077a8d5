package main

import (
	"context"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// mutations is W8: Pods whose authors left open what the library's mutations set, so that every answer has a patch.
func mutations() workload {
	const name = "W8"
	return workload{
		name: name, title: "unique 13 kB Pods through the library's mutations",
		measure: func(ctx context.Context, l *lab) ([]row, error) {
			set, err := l.libraryFor(name, func(spec policies.Spec) bool { return asksAbout(spec, review.Mutate, "", "pods") })
			if err != nil {
				return nil, err
			}
			bodies, err := newPods(laxPod, podCreation)
			if err != nil {
				return nil, err
			}
			pods, err := reviews("/mutate", bodies, true)
			if err != nil {
				return nil, err
			}
			return l.against(ctx, trial{workload: name, traffic: pods, speak: http1}, set, 1, 8)
		},
	}
}
