package cmd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/webhook"
)

// assembly is a server being put together: what runs beside the listener, what it must have before it is ready, and what is closed in the end.
type assembly struct {
	*serveFlags
	log     *slog.Logger
	metrics *Metrics
	engine  *policies.Engine
	theirs  *Mutators
	member  *member // nil without a cluster
	who     identity
	recent  *decisions.Recent // nil without pages

	parts   []func(context.Context) error
	checks  []webhook.Check
	closers []func()
}

func (a *assembly) close() {
	for _, closer := range a.closers {
		closer()
	}
}

// serve puts the server together and runs it until ctx ends.
func (a *assembly) serve(ctx context.Context, stdout io.Writer) error {
	if err := a.judge(ctx); err != nil {
		return err
	}
	clients, follow, err := a.clients(a.log)
	if err != nil {
		return err
	}
	if follow != nil {
		a.parts = append(a.parts, follow)
	}
	// Before anything is written: who comes second to an address must leave the files of the first alone.
	api, health, err := a.listeners(ctx)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, func() { _ = api.Close() }, func() { _ = health.Close() })
	var pages net.Listener
	if a.cluster.ui {
		if pages, err = listen(ctx, "--ui-listen", a.cluster.uiListen); err != nil {
			return err
		}
		a.closers = append(a.closers, func() { _ = pages.Close() })
	}
	recorders, credentials, err := a.record(ctx, stdout)
	if err != nil {
		return err
	}
	if a.who, err = a.identify(); err != nil {
		return err
	}
	who := a.who
	if err := a.metrics.follow(who, recorders); err != nil {
		return err
	}
	wiring := Wiring{
		Answers: Answers(a.engine, a.theirs), Recorders: recorders, Credentials: credentials, Metrics: a.metrics, Memory: a.memory, MaxBody: a.maxBody,
		Exempt: a.exemptNamespaces, Log: a.log,
	}
	if a.member != nil {
		if err := a.member.keep(who); err != nil {
			return err
		}
		wiring.Exempt, wiring.Beside = a.member.exempt, a.member.endpoints(a.engine)
		wiring.Heard, wiring.Count, wiring.UnderWay = a.member.hears, a.member.count(), &a.member.underWay
		a.parts = append(a.parts, a.member.parts()...)
		a.checks = append(a.checks, a.member.checks()...)
	}
	if a.decisions.events {
		events, err := a.events(recorders)
		if err != nil {
			return err
		}
		wiring.Beside = append(wiring.Beside, events)
	}
	server, err := a.server(api, wiring, who, clients)
	if err != nil {
		return err
	}
	a.checks = append(a.checks, webhook.Check{Name: "server", Check: server.Ready}, webhook.Check{Name: "certificates", Check: who.ready})
	if pages != nil {
		if err := a.show(pages); err != nil {
			return err
		}
	}
	a.parts = append(a.parts, webhook.NewProbes(webhook.ProbesOptions{
		Listener: health, Checks: a.checks, Metrics: a.metrics.Registry, Log: a.log,
	}).Run)
	if a.tls.mode == tlsFiles {
		announcing, err := a.announce(stdout, who.source, a.log)
		if err != nil {
			return err
		}
		a.parts = append(a.parts, announcing)
	}
	a.log.Info("serving", "listen", api.Addr().String(), "health", health.Addr().String(), "policies", a.policies.from, "version", version())
	return outlive(ctx, server, a.parts)
}

// judge prepares the engine and what feeds it.
func (a *assembly) judge(ctx context.Context) error {
	reader, err := NewReader()
	if err != nil {
		return err
	}
	loader := &policies.Loader{
		Engine: a.engine, Options: []policies.Option{policies.WithObserver(a.metrics)}, Report: reportLoad(a.log, a.metrics), Suffice: anyMutator,
	}
	traffic, err := newExternalMetrics(a.metrics.Registry)
	if err != nil {
		return err
	}
	// To Providers the server is who it is to its callers.
	own := func() (*tls.Certificate, error) { return a.who.source.GetCertificate(nil) }
	a.theirs = &Mutators{log: a.log}
	beside := newBeside(a.theirs, external.Options{Certificate: own, Observer: traffic}, a.log)
	loader.Configure = beside.configure
	a.gatekeeper.ease(loader, a.theirs, a.log)
	if len(a.policies.from) > 0 || !a.cluster.policies {
		from, err := a.policies.source(reader)
		if err != nil {
			return err
		}
		// Read once before anything is opened, written or announced: a path that is not there is known now.
		bundle, err := from.Load(ctx)
		if err != nil {
			return err
		}
		if _, faults := mutatorsIn(bundle.Documents, surroundings{}); len(bundle.Faults)+len(faults) > 0 {
			return slices.Concat(bundle.Faults, faults)
		}
		loader.Sources = append(loader.Sources, from)
	}
	if a.cluster.given() {
		if a.member, err = a.cluster.join(a.tls.mode != tlsFiles, a.exemptNamespaces, reader, a.metrics, a.log); err != nil {
			return err
		}
		a.theirs.namespaces, a.theirs.await = a.member.namespaces.lookup, a.member.namespaces.await
		a.member.gatekeeper = a.gatekeeper
		if err := a.member.feed(loader, a.theirs); err != nil {
			return err
		}
		beside.settings.sync(loader, a.member.inventory)
		a.member.settled = &beside.settings
	} else {
		beside.settings.alone = true
		for i, from := range loader.Sources {
			loader.Sources[i] = policies.WithoutInventory(from)
		}
	}
	a.parts = append(a.parts, loader.Run)
	a.checks = append(a.checks, webhook.Check{Name: "policies", Check: a.loaded, Note: lastingOnly(loader)})
	beside.settings.report(loader)
	return nil
}

// loaded returns why there is nothing to answer with, or nil.
func (a *assembly) loaded() error {
	if err := a.engine.Ready(); err != nil {
		return err
	}
	return a.theirs.ready()
}

// lastingOnly has the loader's reports tell what it returns: why this server serves on, and would not start again, or else what is faulty of the
// objects of the cluster, Gatekeeper's among them, which keep nobody from starting.
func lastingOnly(loader *policies.Loader) (note func() string) {
	var fatal atomic.Pointer[string]
	report := loader.Report
	loader.Report = func(load policies.Load) {
		text := ""
		switch {
		case len(load.Fatal) == 0 && len(load.Faults) == 1:
			text = "one thing is faulty in the cluster; its last good version, if any, stays in force: " + load.Faults[0].Err.Error()
		case len(load.Fatal) == 0 && len(load.Faults) > 1:
			text = fmt.Sprintf("%d things are faulty in the cluster; the last good version of each, if any, stays in force: %v", len(load.Faults), load.Faults[0].Err)
		case len(load.Fatal) > 0:
			text = "what was in force before serves on, but a server that is started now ends at once: " + load.Fatal[0].Err.Error()
		}
		fatal.Store(&text)
		report(load)
	}
	return func() string {
		if text := fatal.Load(); text != nil {
			return *text
		}
		return ""
	}
}

// identify finds the certificate of the server.
func (a *assembly) identify() (identity, error) {
	var who identity
	var err error
	if a.tls.mode == tlsFiles {
		who, err = a.certificates(a.log)
	} else {
		names, ips, problem := a.hosts()
		if problem != nil {
			return who, problem
		}
		who, err = a.member.certificates(a.tls, names, ips)
	}
	if err == nil {
		a.parts = append(a.parts, who.source.Start)
	}
	return who, err
}
