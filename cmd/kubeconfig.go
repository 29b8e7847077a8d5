package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// clusterFlags are the flags of the commands that look at a release in a cluster, as kubectl's.
type clusterFlags struct {
	kubeconfig string
	inCluster  bool
	context    string
	name       string
	named      func() bool // whether the name was given
}

func (c *clusterFlags) register(flags *pflag.FlagSet) {
	c.registerCluster(flags)
	flags.StringVar(&c.name, "name", defaultName, "`NAME` of the release; if it is not given, that of the only one there is")
	c.named = func() bool { return flags.Changed("name") }
}

// registerCluster registers those that say which cluster, for a command that looks at no release.
func (c *clusterFlags) registerCluster(flags *pflag.FlagSet) {
	c.name = defaultName
	flags.StringVar(&c.kubeconfig, "kubeconfig", "", "`FILE` of the cluster; without, $KUBECONFIG or ~/.kube/config")
	flags.BoolVar(&c.inCluster, "in-cluster", false, "look at the cluster this runs in, as the service account of its Pod")
	flags.StringVar(&c.context, "context", "", "`NAME` of the context in that file; without, its current one")
}

// config returns how to speak with the cluster.
func (c *clusterFlags) config() (*rest.Config, error) {
	if c.name == "" {
		return nil, errors.New("--name is empty; name the release, as portcullis")
	}
	if c.inCluster {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("--in-cluster: %w", err)
		}
		config.WarningHandler = rest.NoWarnings{}
		return config, nil
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if c.kubeconfig != "" {
		if _, err := os.Stat(c.kubeconfig); err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		rules.ExplicitPath = c.kubeconfig
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.context}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster is named: add --kubeconfig FILE, or set $KUBECONFIG")
	}
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// clusterName is what the kubeconfig calls the cluster; empty where it does not say.
func (c *clusterFlags) clusterName() string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	known, err := rules.Load()
	if c.inCluster || err != nil {
		return ""
	}
	context, ok := known.Contexts[cmp.Or(c.context, known.CurrentContext)]
	if !ok {
		return ""
	}
	return context.Cluster
}
