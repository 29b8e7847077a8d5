// Demo guards a real Kubernetes API server with Portcullis at all six callouts and walks through them with the real kubectl. It is what
// "make demo" runs.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/gate"
)

// files are the policies and manifests of the walk.
//
//go:embed policies manifests
var files embed.FS

// dir is where the demonstration lives; the policies in it are those in force.
const dir = ".demo"

func main() {
	once := flag.Bool("once", false, "end after the walk, with exit code 1 at the first surprise")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "demo walks through a guarded API server. It is run from the root of the repository, by `make demo`:\n\n  bin/demo --once")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(once bool) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	login, err := newLogin()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "policies", "login.yaml"), login.policy(), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "policies", "breakglass.yaml"), breakGlass(), 0o600); err != nil {
		return err
	}
	g, err := gate.Start(ctx, gate.Options{
		Dir:       dir,
		Binary:    filepath.Join("bin", "portcullis"),
		Policies:  []string{filepath.Join(dir, "policies")},
		Arguments: []string{"--decision-log=" + filepath.Join(dir, "decisions.jsonl")},
		Cluster:   cluster.Options{Users: map[string][]string{"alice": {"admins"}, "oncall": {"on-call"}}},
		Progress:  os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	w := walk{gate: g, login: login, out: os.Stdout}
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if err := w.run(ctx); err != nil {
		return err
	}
	if once {
		return nil
	}
	w.invite()
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "\nstopping")
	return nil
}
