package registration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

const (
	validatingKind = "ValidatingWebhookConfiguration"
	mutatingKind   = "MutatingWebhookConfiguration"
	policiesSuffix = "-policies"
	policiesName   = "policies." + Group
	// manager owns the fields which we apply.
	manager = "portcullis"
)

// place is where one of the configurations is kept.
type place struct {
	label string // in metrics and logs
	kind  string
	name  string
	phase Phase // empty for the one about policies
}

// places lists the configurations of a release.
func places(name string) []place {
	return []place{
		{"validating", validatingKind, name, Validate},
		{"mutating", mutatingKind, name, Mutate},
		{"policies", validatingKind, name + policiesSuffix, ""},
	}
}

func (p place) String() string { return p.kind + " " + p.name }

func (p place) resource() schema.GroupVersionResource {
	resource := "validatingwebhookconfigurations"
	if p.kind == mutatingKind {
		resource = "mutatingwebhookconfigurations"
	}
	return admissionregistrationv1.SchemeGroupVersion.WithResource(resource)
}

func (p place) client(client dynamic.Interface) dynamic.ResourceInterface {
	return client.Resource(p.resource())
}

// object is a configuration of either kind. A mutating webhook has all the fields of a validating one.
type object struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Webhooks          []admissionregistrationv1.MutatingWebhook `json:"webhooks,omitempty"`
}

// convert turns one form of an object into another by way of JSON.
func convert[T any](from any) (*T, error) {
	data, err := json.Marshal(from)
	if err != nil {
		return nil, err
	}
	into := new(T)
	return into, json.Unmarshal(data, into)
}

// objects are the configurations in the order of places.
func (c Configurations) objects() ([]*object, error) {
	var out []*object
	for _, from := range []any{c.Validating, c.Mutating, c.Policies} {
		o, err := convert[object](from)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// get returns a configuration as it is in the cluster, nil if there is none.
func (p place) get(ctx context.Context, client dynamic.Interface) (*object, error) {
	live, err := p.client(client).Get(ctx, p.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", p, err)
	}
	return convert[object](live)
}

// apply makes the configuration what is wanted, provided that it has not changed since live was read. Server-side apply leaves alone what
// others have added to a list; where that is so, the webhooks are replaced.
func (p place) apply(ctx context.Context, client dynamic.Interface, wanted, live *object) error {
	body, err := convert[unstructured.Unstructured](wanted)
	if err != nil {
		return fmt.Errorf("write the %s: %w", p, err)
	}
	if live != nil {
		body.SetResourceVersion(live.ResourceVersion)
	}
	result, err := p.client(client).Apply(ctx, p.name, body, metav1.ApplyOptions{FieldManager: manager, Force: true})
	switch {
	case err == nil:
		written, err := convert[object](result)
		if err != nil {
			return fmt.Errorf("write the %s: %w", p, err)
		}
		if sameWebhooks(written, wanted) {
			return nil
		}
		live = written
	case live == nil || !apierrors.IsInvalid(err): // invalid: what is left of a webhook of which others own a part
		return fmt.Errorf("write the %s: %w", p, err)
	}
	replacement := *live
	replacement.TypeMeta, replacement.Webhooks, replacement.ManagedFields = wanted.TypeMeta, withBundles(wanted, live).Webhooks, nil
	if body, err = convert[unstructured.Unstructured](replacement); err == nil {
		_, err = p.client(client).Update(ctx, body, metav1.UpdateOptions{FieldManager: manager})
	}
	if err != nil {
		return fmt.Errorf("replace the webhooks of the %s: %w", p, err)
	}
	return nil
}

// withBundles fills in the authorities where they are left to others.
func withBundles(wanted, live *object) *object {
	filled := *wanted
	filled.Webhooks = slices.Clone(wanted.Webhooks)
	for n, hook := range filled.Webhooks {
		if hook.ClientConfig.CABundle == nil {
			if old := live.webhook(hook.Name); old != nil {
				filled.Webhooks[n].ClientConfig.CABundle = old.ClientConfig.CABundle
			}
		}
	}
	return &filled
}

// webhook returns the one of that name, or nil.
func (o *object) webhook(name string) *admissionregistrationv1.MutatingWebhook {
	if o == nil {
		return nil
	}
	n := slices.IndexFunc(o.Webhooks, func(h admissionregistrationv1.MutatingWebhook) bool { return h.Name == name })
	if n < 0 {
		return nil
	}
	return &o.Webhooks[n]
}

// same reports whether live has everything that is wanted of it, and no webhooks beside.
func same(live, wanted *object) bool {
	has := func(live, wanted map[string]string) bool {
		for key, value := range wanted {
			if got, ok := live[key]; !ok || got != value {
				return false
			}
		}
		return true
	}
	return sameWebhooks(live, wanted) && has(live.Labels, wanted.Labels) && has(live.Annotations, wanted.Annotations) &&
		!slices.ContainsFunc(wanted.OwnerReferences, func(owner metav1.OwnerReference) bool {
			return !slices.ContainsFunc(live.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == owner.UID })
		})
}

func sameWebhooks(live, wanted *object) bool {
	sorted := func(o *object) []admissionregistrationv1.MutatingWebhook {
		return slices.SortedFunc(slices.Values(o.Webhooks), func(a, b admissionregistrationv1.MutatingWebhook) int {
			return cmp.Compare(a.Name, b.Name)
		})
	}
	return equality.Semantic.DeepEqual(sorted(live), sorted(withBundles(wanted, live)))
}
