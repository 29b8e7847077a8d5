// Demo guards a real Kubernetes API server with Portcullis at all six callouts and walks through them with the real kubectl. It is what
// "make demo" runs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/gate"
)

// dir is where the demonstration lives, below the working directory.
const dir = ".demo"

func main() {
	once := flag.Bool("once", false, "walk with the policies as they are shipped, in "+filepath.Join(dir, "once")+
		", and end; the exit code is 1 after the first surprise")
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
	signalled, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(signalled, stop) // a second signal ends the process at once, and its children with it

	home := home(dir)
	if once {
		home = home.once()
	}
	unlock, err := home.lock()
	if err != nil {
		return err
	}
	defer unlock()
	login, err := newLogin()
	if err != nil {
		return err
	}
	edited, err := home.furnish(login, once)
	if err != nil {
		return err
	}
	if edited {
		fmt.Fprintf(os.Stderr, "The policies in %[1]s are kept as you left them, so the walk may end differently; `rm -r %[1]s` brings back those shipped.\n",
			home.policies())
	}
	g, err := gate.Start(signalled, gate.Options{
		Dir:       string(home),
		Binary:    filepath.Join("bin", "portcullis"),
		Policies:  []string{home.policies(), home.made()},
		Arguments: []string{"--decision-log=" + home.decisions()},
		Cluster:   cluster.Options{Users: map[string][]string{"alice": {"admins"}, "oncall": {"on-call"}}},
		Progress:  os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() {
		// Where there is an error already, this one would tell the same again.
		if stopErr := g.Stop(); err == nil {
			err = stopErr
		}
	}()
	ctx, cancel := context.WithCancelCause(signalled)
	defer cancel(nil)
	go func() {
		if err := g.Wait(ctx); err != nil {
			cancel(err)
		}
	}()
	w := walk{gate: g, home: home, login: login, out: os.Stdout, edited: edited}
	err = w.run(ctx)
	if err == nil && !once {
		w.invite()
		<-ctx.Done()
		if signalled.Err() != nil {
			fmt.Fprintln(os.Stderr, "\nstopping")
			return nil
		}
	}
	if ctx.Err() != nil { // what surprised the walk is then only what came of it
		return context.Cause(ctx)
	}
	return err
}
