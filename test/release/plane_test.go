package release_test

import (
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/cluster/node"
	"github.com/portcullis-dev/portcullis/test/props"
)

// plane is a control plane whose node runs the Pods of a release.
type plane struct {
	t       *testing.T
	cluster *cluster.Cluster
	node    *node.Node
	client  kubernetes.Interface
}

// newPlane starts one in which the server's image is that program, with those arguments beside its addresses.
func newPlane(t *testing.T, program string, arguments ...string) plane {
	t.Helper()
	c := cluster.StartT(t, cluster.Options{ExtraArgs: []string{node.AggregatorRouting}})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	n := node.StartT(t, node.Options{Config: config, Programs: map[string]node.Program{"ghcr.io/portcullis-dev/portcullis:test": {
		Path: program,
		Arguments: func(i node.Instance) []string {
			if i.Container != "portcullis" {
				return nil
			}
			return append([]string{"--listen=" + i.Address(8443), "--health-listen=" + i.Address(8081)}, arguments...)
		},
	}}})
	return plane{t: t, cluster: c, node: n, client: kubernetes.NewForConfigOrDie(config)}
}

// server is the program that make builds.
func server(t *testing.T) string {
	t.Helper()
	return props.ServerT(t, "../..")
}

func (p plane) kubectl(stdin string, args ...string) string {
	p.t.Helper()
	out, problems, err := p.cluster.Kubectl(p.t.Context(), "", strings.NewReader(stdin), args...)
	if err != nil {
		p.t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, problems)
	}
	return out
}
