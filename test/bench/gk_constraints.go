package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// constraints is GK: the Pods of W1 against Gatekeeper's templates for Pod security, as they are, every one of which matches and allows.
func constraints() workload {
	const name = "GK"
	return workload{
		name: name, title: "unique 13 kB Pods against 22 constraints of Gatekeeper's format",
		measure: func(ctx context.Context, l *lab) ([]row, error) {
			set, err := l.gatekeeperPolicies(ctx)
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

// gatekeeperPolicies are the templates and constraints of policies/gatekeeper, in one directory of the lab.
func (l *lab) gatekeeperPolicies(ctx context.Context) (policySet, error) {
	const from = "policies/gatekeeper"
	dir, err := l.newDir("gatekeeper-policies")
	if err != nil {
		return policySet{}, err
	}
	entries, err := embedded.ReadDir(from)
	if err != nil {
		return policySet{}, err
	}
	var docs []documents.Document
	for _, entry := range entries {
		text, err := embedded.ReadFile(from + "/" + entry.Name())
		if err != nil {
			return policySet{}, err
		}
		found, err := documents.Split(entry.Name(), text)
		if err != nil {
			return policySet{}, err
		}
		docs = append(docs, found...)
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), text, 0o600); err != nil {
			return policySet{}, err
		}
	}
	reading := new(gatekeeper.Reader).Read(ctx, docs)
	if len(reading.Faults) > 0 {
		return policySet{}, fmt.Errorf("%s: %w", from, reading.Faults)
	}
	return policySet{flags: []string{dir}, specs: reading.Specs}, nil
}
