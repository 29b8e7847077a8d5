package main

import (
	"fmt"
	"os"

	_ "time/tzdata" // CronJobs name time zones, and the machine may know none

	_ "k8s.io/client-go/plugin/pkg/client/auth"           // kubectl's ways to sign in
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the components' own clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // the version as a metric

	"github.com/portcullis-dev/portcullis/test/controlplane/plane"
	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// components maps a name to the function which runs that component as its own main would and returns the exit code.
func components() map[string]func(args []string) int {
	return map[string]func([]string) int{
		"etcd":                    runEtcd,
		"kube-apiserver":          server(kubeapiserver.NewAPIServerCommand),
		"kube-controller-manager": server(kubecontrollermanager.NewControllerManagerCommand),
		"kubectl":                 runKubectl,
	}
}

// server runs a component that serves until it is stopped, and ends with its parent.
func server(command func() *cobra.Command) func([]string) int {
	return func(args []string) int {
		if err := endWithParent(); err != nil {
			return fail(args[0], err)
		}
		os.Args = args
		return cli.Run(command())
	}
}

func runKubectl(args []string) int {
	os.Args = args
	// Before the command is made, as kubectl's own main does: making it already logs. A bad level is reported by the command itself.
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints in kubectl's manner and exits with its code
	}
	return 0
}

// endWithParent ends this process at once when "up" is gone. There is nothing to save: who crashes "up" has no use for the rest.
func endWithParent() error {
	return plane.Follow(func() { os.Exit(1) })
}

func fail(component string, err error) int {
	fmt.Fprintf(os.Stderr, "Error: %s: %v\n", component, err)
	return 1
}
