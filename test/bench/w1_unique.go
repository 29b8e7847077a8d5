package main

import "context"

// podPolicies are those of W1: what the library has for whoever wants it to simply work.
func podPolicies() (policySet, error) { return bundled("pss-restricted", "best-practice") }

// uniquePods is W1: what a webhook does all day, at its hardest. No two Pods are alike, so nothing can be remembered.
func uniquePods() workload {
	const name = "W1"
	return workload{
		name: name, title: "unique 13 kB Pods against the library's pss-restricted and best-practice",
		measure: func(ctx context.Context, l *lab) ([]row, error) {
			set, err := podPolicies()
			if err != nil {
				return nil, err
			}
			bodies, err := newPods(livePod, podCreation)
			if err != nil {
				return nil, err
			}
			pods, err := reviews("/validate", bodies, false)
			if err != nil {
				return nil, err
			}
			return l.against(ctx, trial{workload: name, traffic: pods, speak: http1}, set, 1, 8)
		},
	}
}
