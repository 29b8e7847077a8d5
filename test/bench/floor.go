package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/webhook"
)

// floorCommand is the word by which this program becomes the floor; it starts itself with it.
const floorCommand = "floor"

// floorAnswer is as long as what an API server is usually told.
const floorAnswer = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"00000000-0000-0000-0000-000000000000","allowed":true,"auditAnnotations":{"revision":"0123456789ab"}}}` + "\n"

// runFloor serves until ctx ends. It is the product's own listener, with its limits and its TLS, and behind it nothing but a constant:
// no server that keeps these can be faster.
func runFloor(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet(floorCommand, flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "", "`ADDRESS` to answer at")
	health := flags.String("health-listen", "", "`ADDRESS` for /readyz and /metrics")
	dir := flags.String("cert-dir", "", "`DIR` for the certificates")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *listen == "" || *health == "" || *dir == "" {
		return errors.New("floor needs --listen, --health-listen and --cert-dir")
	}
	source, err := certs.NewSelfSigned(certs.SelfSignedOptions{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Dir: *dir})
	if err != nil {
		return err
	}
	server, err := webhook.NewServer(webhook.Options{
		Address: *listen, Handler: http.HandlerFunc(constant), GetCertificate: source.GetCertificate, Drain: -1,
	})
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(collectors.NewGoCollector()); err != nil {
		return err
	}
	probes := webhook.NewProbes(webhook.ProbesOptions{
		Address: *health, Metrics: registry, Checks: []webhook.Check{{Name: "server", Check: server.Ready}},
	})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(probes.Run(ctx)) }()
	if err := server.Run(ctx); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the floor: %w", err)
	}
	return nil
}

// constant answers without a look at the question.
func constant(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, floorAnswer)
}
