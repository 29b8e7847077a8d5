package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// runEtcd runs a cluster of one member with the few settings a test needs.
func runEtcd(args []string) int {
	if err := endWithParent(); err != nil {
		return fail(args[0], err)
	}
	cfg, err := etcdConfig(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return fail(args[0], err)
	}
	// Two segments are allocated on disk at once, by default 64 MB each: much for a test, and in memory if /tmp is a tmpfs.
	wal.SegmentSizeBytes = 8 << 20
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fail(args[0], err)
	}
	defer e.Close()
	select {
	case <-ctx.Done():
		return 0
	case <-e.Server.StopNotify():
		return fail(args[0], errors.New("the server stopped by itself"))
	case err := <-e.Err():
		return fail(args[0], err)
	}
}

func etcdConfig(args []string) (*embed.Config, error) {
	cfg := embed.NewConfig()
	fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
	fs.StringVar(&cfg.Dir, "data-dir", "", "directory of the data")
	fs.BoolVar(&cfg.UnsafeNoFsync, "unsafe-no-fsync", false, "do not wait for the disk; a power cut loses data")
	client := fs.String("listen-client-url", "http://127.0.0.1:2379", "address for clients")
	peer := fs.String("listen-peer-url", "http://127.0.0.1:2380", "address for other members, of which there are none")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if cfg.Dir == "" {
		return nil, errors.New("--data-dir is required")
	}
	clientURL, err := url.Parse(*client)
	if err != nil {
		return nil, fmt.Errorf("--listen-client-url: %w", err)
	}
	peerURL, err := url.Parse(*peer)
	if err != nil {
		return nil, fmt.Errorf("--listen-peer-url: %w", err)
	}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*clientURL}, []url.URL{*clientURL}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peerURL}, []url.URL{*peerURL}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.LogLevel = "warn"
	// A lone member has nobody to wait for, yet by default it waits up to a second before it elects itself.
	cfg.TickMs, cfg.ElectionMs = 10, 100
	return cfg, nil
}
