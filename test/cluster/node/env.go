package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// serviceAccountDir is where the API server mounts the credentials of the service account.
const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// environment is a container's own environment, in the order of its spec.
type environment struct {
	names  []string
	values map[string]string
}

func (c *container) environment(ctx context.Context) (environment, error) {
	e := environment{values: map[string]string{}}
	for _, v := range c.spec.Env {
		value, err := c.value(ctx, v, e.values)
		if err != nil {
			return environment{}, fmt.Errorf("environment variable %s: %w", v.Name, err)
		}
		if !slices.Contains(e.names, v.Name) {
			e.names = append(e.names, v.Name)
		}
		e.values[v.Name] = value
	}
	return e, nil
}

// value is what a variable holds, given those before it.
func (c *container) value(ctx context.Context, v corev1.EnvVar, before map[string]string) (string, error) {
	from, namespace := v.ValueFrom, c.pod.object.Namespace
	switch {
	case from == nil:
		return expand(v.Value, before), nil
	case from.FieldRef != nil:
		return c.pod.field(from.FieldRef.FieldPath)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		object, err := c.pod.node.client.CoreV1().ConfigMaps(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && ref.Optional != nil && *ref.Optional {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return object.Data[ref.Key], nil
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		object, err := c.pod.node.client.CoreV1().Secrets(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && ref.Optional != nil && *ref.Optional {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return string(object.Data[ref.Key]), nil
	}
	if ref := from.ResourceFieldRef; ref != nil && ref.Resource == "limits.memory" && ref.Divisor.IsZero() {
		limit, ok := c.spec.Resources.Limits[corev1.ResourceMemory]
		if !ok {
			return "", fmt.Errorf("there is no limit of memory, and this node has no size of its own")
		}
		return strconv.FormatInt(limit.Value(), 10), nil
	}
	return "", fmt.Errorf("this node takes values from fields, the limit of memory, ConfigMaps and Secrets only")
}

// field is the value of a path of the downward API.
func (p *pod) field(path string) (string, error) {
	o := p.object
	switch path {
	case "metadata.name":
		return o.Name, nil
	case "metadata.namespace":
		return o.Namespace, nil
	case "metadata.uid":
		return string(o.UID), nil
	case "spec.nodeName":
		return p.node.opts.Name, nil
	case "spec.serviceAccountName":
		return o.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs":
		return p.node.ip, nil
	}
	for prefix, values := range map[string]map[string]string{"metadata.labels['": o.Labels, "metadata.annotations['": o.Annotations} {
		if key, ok := strings.CutPrefix(path, prefix); ok {
			return values[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("this node does not know the field %s", path)
}

// expand replaces $(NAME) by the variable's value. Unknown names stay as they are, and $$ is a dollar sign.
func expand(text string, values map[string]string) string {
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(text, "$")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		text = after
		switch {
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "("):
			name, rest, closed := strings.Cut(after[1:], ")")
			value, known := values[name]
			if !closed || !known {
				out.WriteByte('$')
				continue
			}
			out.WriteString(value)
			text = rest
		default:
			out.WriteByte('$')
		}
	}
}

// kubeconfig writes what stands for the in-cluster configuration: a process can read the files of the service account only where they
// are on this machine.
func (c *container) kubeconfig() (string, error) {
	dir := c.pod.volumes.mounts(c.spec).rewrite(serviceAccountDir)
	if dir == serviceAccountDir {
		return "", fmt.Errorf("--in-cluster needs the token of the service account, which is not mounted")
	}
	authority, err := os.ReadFile(filepath.Join(dir, corev1.ServiceAccountRootCAKey))
	if err != nil {
		return "", err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: c.pod.node.opts.Config.Host, CertificateAuthorityData: authority}
	config.AuthInfos["pod"] = &clientcmdapi.AuthInfo{TokenFile: filepath.Join(dir, corev1.ServiceAccountTokenKey)}
	config.Contexts["pod"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: "pod", Namespace: c.pod.object.Namespace}
	config.CurrentContext = "pod"
	file := filepath.Join(c.pod.dir, c.spec.Name+".kubeconfig")
	return file, clientcmd.WriteToFile(*config, file)
}
