package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// UserKubeconfig returns the path of the kubeconfig of one of Options.Users, or the admin's for the empty name.
func (c *Cluster) UserKubeconfig(name string) string {
	if name == "" {
		return c.Kubeconfig
	}
	return filepath.Join(c.dir, name+".kubeconfig")
}

// RESTConfig returns a client configuration for the admin, who is in system:masters. It does not limit its own rate.
func (c *Cluster) RESTConfig() (*rest.Config, error) { return c.UserRESTConfig("") }

// UserRESTConfig returns a client configuration for one of Options.Users, or for the admin if the name is empty.
func (c *Cluster) UserRESTConfig(name string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.UserKubeconfig(name))
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS = -1 // the default of five a second makes tests wait
	return config, nil
}

// Kubectl runs the real kubectl as one of Options.Users, or as the admin if user is empty. It reads and writes nothing outside the
// control plane's directory, whatever is in the environment or the home directory.
func (c *Cluster) Kubectl(ctx context.Context, user string, stdin io.Reader, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.binary, append([]string{"kubectl"}, args...)...)
	cmd.Env = append(os.Environ(),
		"KUBECONFIG="+c.UserKubeconfig(user),
		"KUBECACHEDIR="+filepath.Join(c.dir, "kubectl"),
		"KUBERC=off",
	)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), errs.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), errs.String(), nil
}
