package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// What a release is called, and where it is, if nobody says otherwise: as in docs/install.md.
const (
	defaultName      = "portcullis"
	defaultNamespace = "portcullis"
)

// The labels of the webhook configurations, as of all that belongs to a release.
const (
	productLabel  = "app.kubernetes.io/name"
	instanceLabel = "app.kubernetes.io/instance"
)

// releases are the releases seen in a cluster: the namespaces of each name, none where they cannot be told.
type releases map[string]map[string]bool

func (r releases) add(name, namespace string) {
	if name == "" {
		return
	}
	if r[name] == nil {
		r[name] = map[string]bool{}
	}
	if namespace != "" {
		r[name][namespace] = true
	}
}

// findReleases looks at the webhook configurations, which are there also when no Portcullis runs, and at the Leases of replicas, which are
// there also when nothing is registered. Who may not look at one of them is told by the other; an error is that neither could be looked at.
func findReleases(ctx context.Context, client kubernetes.Interface) (releases, error) {
	found := releases{}
	ours := metav1.ListOptions{LabelSelector: productLabel + "=portcullis"}
	configurations, registered := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, ours)
	if registered == nil {
		for _, c := range configurations.Items {
			found.add(c.Labels[instanceLabel], "")
			for _, h := range c.Webhooks {
				found.add(c.Labels[instanceLabel], calledIn(h))
			}
		}
	}
	leases, alive := client.CoordinationV1().Leases(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: replicas.ReleaseLabel})
	if alive == nil {
		for _, lease := range leases.Items {
			found.add(lease.Labels[replicas.ReleaseLabel], lease.Namespace)
		}
	}
	if registered != nil && alive != nil {
		return nil, errors.Join(registered, alive)
	}
	return found, nil
}

// calledIn is the namespace of the release that a webhook belongs to, as far as it says so.
func calledIn(h admissionregistrationv1.ValidatingWebhook) string {
	if service := h.ClientConfig.Service; service != nil {
		return service.Namespace
	}
	if registration.IsProbe(h.Name) {
		return probedIn(hook{MutatingWebhook: admissionregistrationv1.MutatingWebhook{NamespaceSelector: h.NamespaceSelector}})
	}
	return ""
}

// findName sets the name of the release, where it was not given, to that of the only one there is. Without any it stays what it is by
// default, and so for who may not look: the name is all that is needed to unlock.
func (c *clusterFlags) findName(found releases) error {
	if c.named() {
		return nil
	}
	switch names := slices.Sorted(maps.Keys(found)); len(names) {
	case 0:
		return nil
	case 1:
		c.name = names[0]
		return nil
	default:
		return fmt.Errorf("there are the releases %s; say which with --name", strings.Join(names, ", "))
	}
}

// find sets name and namespace, where they were not given, to those of the only release there is.
func (c *clusterFlags) find(ctx context.Context, client kubernetes.Interface, namespace *string) error {
	if c.named() && *namespace != "" {
		return nil
	}
	found, err := findReleases(ctx, client)
	if err != nil {
		if status := apierrors.APIStatus(nil); !errors.As(err, &status) {
			return fmt.Errorf("the API server does not answer: %w", err)
		}
		if *namespace == "" {
			return fmt.Errorf("which release there is cannot be seen; give --namespace, and --name if it is not %s: %w", c.name, err)
		}
		return nil
	}
	if err := c.findName(found); err != nil || *namespace != "" {
		return err
	}
	switch in := slices.Sorted(maps.Keys(found[c.name])); len(in) {
	case 0:
		*namespace = defaultNamespace
	case 1:
		*namespace = in[0]
	default:
		return fmt.Errorf("the release %s is in the namespaces %s; say which with --namespace", c.name, strings.Join(in, ", "))
	}
	return nil
}
