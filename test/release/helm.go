// Package release installs the chart into a control plane of package cluster, as a user would or object by object.
package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Release is an installation of the chart.
type Release struct {
	// Root is the directory of the repository, with charts/portcullis and bin/helm.
	Root string
	// Name and Namespace are those of the release.
	Name, Namespace string
	// Values are files of values, Set and JSON single values as KEY=VALUE; later ones win.
	Values, Set, JSON []string
}

// Chart is the directory of the chart.
func (r Release) Chart() string { return filepath.Join(r.Root, "charts", "portcullis") }

// arguments name the chart and the values.
func (r Release) arguments() []string {
	args := []string{r.Name, r.Chart(), "--namespace=" + r.Namespace}
	for _, file := range r.Values {
		args = append(args, "--values="+file)
	}
	for _, value := range r.Set {
		args = append(args, "--set="+value)
	}
	for _, value := range r.JSON {
		args = append(args, "--set-json="+value)
	}
	return args
}

// Helm runs bin/helm. It reads and writes nothing of the user's own Helm; without a kubeconfig it knows no cluster.
func (r Release) Helm(ctx context.Context, kubeconfig string, args ...string) (stdout string, err error) {
	binary := filepath.Join(r.Root, "bin", "helm")
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("helm is not built: %w; run `make bin/helm`", err)
	}
	home, err := os.MkdirTemp("", "helm-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(home)
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + kubeconfig}
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Render returns the manifests of the release. Those which only a hook brings, such as `helm test`, are left out unless hooks is set.
func (r Release) Render(ctx context.Context, hooks bool) (string, error) {
	args := append([]string{"template"}, r.arguments()...)
	if !hooks {
		args = append(args, "--no-hooks")
	}
	return r.Helm(ctx, "", args...)
}

// Objects reads a stream of manifests.
func Objects(text string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("manifest %d: %w", len(all)+1, err)
		}
		if len(object.Object) > 0 {
			all = append(all, &object)
		}
	}
}
