// Controlplane is a Kubernetes control plane in one binary: the real etcd, kube-apiserver, kube-controller-manager and kubectl, and "up",
// which starts them together for tests and demonstrations.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/portcullis-dev/portcullis/test/controlplane/plane"
	"github.com/spf13/pflag"
)

func main() {
	os.Exit(run(os.Args))
}

// run executes the component which the name of the binary or its first argument asks for, and returns the exit code.
func run(args []string) int {
	// A link named kubectl to this binary is kubectl.
	if c, ok := components()[filepath.Base(args[0])]; ok {
		return c(args)
	}
	if len(args) < 2 {
		usage(os.Stderr)
		return 1
	}
	switch name := args[1]; name {
	case "up":
		return up(args[2:])
	case "help", "-h", "--help":
		usage(os.Stdout)
		return 0
	default:
		c, ok := components()[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "controlplane: there is no command %q; 'controlplane help' lists all\n", name)
			return 1
		}
		// The components read the arguments of the process, so these begin with the component's own name.
		return c(args[1:])
	}
}

func up(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on the next one has its default effect: it ends this process, and the lifeline ends the others.
	context.AfterFunc(ctx, stop)

	// The components' packages put flags of theirs into the set of the whole process, which cobra would add to ours.
	pflag.CommandLine = pflag.NewFlagSet("up", pflag.ContinueOnError)
	cmd := plane.Command()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var wrong plane.UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "controlplane up: %v; see 'controlplane up --help'\n", err)
	default:
		fmt.Fprintf(os.Stderr, "controlplane up: %v\n", err)
	}
	return 1
}

func usage(w io.Writer) {
	var names []string
	for name := range components() {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(w, `Controlplane is a Kubernetes control plane in one binary, for tests and demonstrations.

Usage:
  controlplane up --dir DIR      start a control plane; 'controlplane up --help' tells how
  controlplane COMPONENT ...     run one component by itself: %s

Example:
  controlplane up --dir /tmp/plane
  controlplane kubectl --kubeconfig /tmp/plane/kubeconfig get namespaces
`, strings.Join(names, ", "))
}
