package cmd

import (
	"context"
	"fmt"
	"io"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/webhook"
)

// record prepares what records decisions, and returns it for the wiring: all nil if nothing is recorded.
func (a *assembly) record(ctx context.Context, stdout io.Writer) (decisions.Recorders, *decisions.Credentials, error) {
	if !a.decisions.given() && !a.cluster.ui {
		return nil, nil, nil
	}
	credentials := &decisions.Credentials{}
	if err := a.nameCredentials(credentials); err != nil {
		return nil, nil, err
	}
	recorders, done, err := a.decisions.open(context.WithoutCancel(ctx), stdout, credentials, a.log)
	if err != nil {
		return nil, nil, err
	}
	a.closers = append(a.closers, done)
	if a.cluster.ui {
		a.recent = &decisions.Recent{}
		recorders = append(recorders, decisions.New(a.recent, decisions.Options{Erase: a.decisions.erasures, Credentials: credentials}))
	}
	for _, recorder := range recorders {
		a.parts = append(a.parts, func(ctx context.Context) error {
			if err := recorder.Start(ctx); err != nil { // which is only known when the server has ended, and no fault of it
				a.log.Warn("records are lost", "error", err)
			}
			return nil
		})
	}
	return recorders, credentials, nil
}

// nameCredentials finds the key by which credentials are named: of a file, of the cluster, or for as long as this process lives.
func (a *assembly) nameCredentials(credentials *decisions.Credentials) error {
	switch {
	case a.decisions.key != "":
		key, err := keyFile(a.decisions.key)
		if err == nil {
			err = credentials.Use(key)
		}
		if err != nil {
			return fmt.Errorf("--credential-key: %w", err)
		}
		return nil
	case a.member != nil && a.decisions.given(): // what only the pages show is named for as long as it is shown
		a.parts = append(a.parts, func(ctx context.Context) error { return a.member.nameCredentials(ctx, credentials) })
		return nil
	}
	return credentials.Use(decisions.NewCredentialKey())
}

// events is the endpoint at which the audit log of API servers is heard.
func (a *assembly) events(recorders decisions.Recorders) (webhook.Endpoint, error) {
	counts, err := newEventMetrics(a.metrics.Registry)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	list := &decisions.Events{Recorders: recorders, Heard: func(event decisions.Event, outcome decisions.Outcome) {
		if ours := counts.heard(event, outcome); len(ours) > 0 {
			a.log.Warn("the API server went on without an answer of this server", "auditID", event.AuditID, "webhooks", ours)
		}
	}}
	return webhook.Events(list.Read), nil
}
