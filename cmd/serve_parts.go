package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/webhook"
)

// listeners opens both addresses.
func (f *serveFlags) listeners(ctx context.Context) (api, health net.Listener, err error) {
	if api, err = listen(ctx, "--listen", f.listen); err != nil {
		return nil, nil, err
	}
	if health, err = listen(ctx, "--health-listen", f.healthListen); err != nil {
		_ = api.Close()
		return nil, nil, err
	}
	return api, health, nil
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: the address %s is in use by another program; end that, or choose another address", flag, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

// announce tells whom callers should trust: in a file where one was asked for, which the function it returns keeps up to date, else
// once on standard output.
func (f *serveFlags) announce(stdout io.Writer, source certs.Source, log *slog.Logger) (func(context.Context) error, error) {
	if f.caFile == "" {
		_, err := stdout.Write(source.CABundle())
		return func(context.Context) error { return nil }, err
	}
	if len(source.CABundle()) == 0 {
		log.Warn("there is no ca.crt beside the certificate, so nothing is written to --ca-file", "dir", f.certDir)
	}
	announcement, err := certs.Announce(f.caFile, source, log)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	return announcement.Start, nil
}

// identity is who the server is to its callers.
type identity struct {
	source   certs.Source
	notAfter func() time.Time
	// authority is when the authority ends that vouches for the certificate; nil where that is not known.
	authority func() time.Time
}

func (i identity) ready() error {
	if !i.source.Ready() {
		return errors.New("there is no certificate that is valid now")
	}
	return nil
}

// fault is what is wrong with the certificate that is offered now; the last good one is served all the same.
func (i identity) fault() error {
	if source, ok := i.source.(interface{ Err() error }); ok {
		return source.Err()
	}
	return nil
}

// certificates finds the server's certificate: in --cert-dir where somebody else puts it, else made here and, with --cert-dir, kept there.
func (f *serveFlags) certificates(log *slog.Logger) (identity, error) {
	if f.others() {
		// A pair that is broken later is logged and survived; one to begin with is returned.
		first, err := certs.NewFiles(certs.FilesOptions{Dir: f.certDir})
		if err == nil {
			err = first.Err()
		}
		if err != nil {
			return identity{}, fmt.Errorf("--cert-dir: %w", err)
		}
		source, err := certs.NewFiles(certs.FilesOptions{Dir: f.certDir, Log: log})
		if err != nil {
			return identity{}, fmt.Errorf("--cert-dir: %w", err)
		}
		f.warnOfAddress(source, log)
		return identity{source: source, notAfter: source.NotAfter}, nil
	}
	names, ips, err := f.hosts()
	if err != nil {
		return identity{}, err
	}
	source, err := certs.NewSelfSigned(certs.SelfSignedOptions{DNSNames: names, IPs: ips, Dir: f.certDir, Log: log})
	if err != nil {
		return identity{}, fmt.Errorf("--cert-dir: %w", err)
	}
	return identity{source: source, notAfter: source.NotAfter}, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// clients says who may call, and returns what follows the file of their authority.
func (f *serveFlags) clients(log *slog.Logger) (webhook.Clients, func(context.Context) error, error) {
	clients := webhook.Clients{Names: f.clientNames}
	if f.clientCA == "" {
		return clients, nil, nil
	}
	pool, err := certs.NewPool(f.clientCA, log)
	if err != nil {
		return clients, nil, fmt.Errorf("--client-ca: %w", err)
	}
	clients.CAs = pool.Current
	return clients, pool.Start, nil
}

// server is the listener with all endpoints.
func (f *serveFlags) server(listener net.Listener, w Wiring, who identity, clients webhook.Clients) (*webhook.Server, error) {
	handler, err := w.Handler()
	if err != nil {
		return nil, err
	}
	drain := f.drain
	if drain == 0 {
		drain = -1 // the option's zero means its default
	}
	return webhook.NewServer(webhook.Options{
		Listener:       listener,
		Handler:        handler,
		GetCertificate: who.source.GetCertificate,
		Clients:        clients,
		DisableHTTP2:   !f.http2,
		Drain:          drain,
		Metrics:        w.Metrics.Webhook,
		Log:            w.Log,
	})
}
