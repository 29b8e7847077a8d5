package cmd

import (
	"cmp"
	"errors"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// registeredAs is what a release named so registers; by address, for the configuration to name no Service, if url is set.
func registeredAs(name, namespace, url string) []runtime.Object {
	plan := registration.Plan(nil, registration.Options{
		Name: name, Namespace: namespace, URL: url, Labels: map[string]string{productLabel: "portcullis", instanceLabel: name},
	})
	return []runtime.Object{plan.Validating, plan.Policies}
}

func replicaOf(name, namespace string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Name: name + "-replica-0", Namespace: namespace, Labels: map[string]string{replicas.ReleaseLabel: name},
	}}
}

// The release that doctor looks at, and unlock takes out of the way, is found if there is only one; else the error names the flag.
func TestTheOnlyReleaseIsFound(t *testing.T) {
	unlocked := registeredAs("gate", "guard", "")
	for _, object := range unlocked {
		object.(*admissionregistrationv1.ValidatingWebhookConfiguration).Webhooks = nil
	}
	two := append(registeredAs("a", "one", ""), replicaOf("b", "two"))
	for name, c := range map[string]struct {
		there           []runtime.Object
		hidden          []string // what may not be listed
		name, namespace string   // what is given
		want, unlock    string   // what doctor and unlock make of it
	}{
		"none":                      {want: "portcullis in portcullis", unlock: "portcullis"},
		"by its Service":            {there: registeredAs("gate", "guard", ""), want: "gate in guard", unlock: "gate"},
		"by its probe":              {there: registeredAs("gate", "guard", "https://127.0.0.1:8443"), want: "gate in guard", unlock: "gate"},
		"by its replicas":           {there: []runtime.Object{replicaOf("gate", "guard")}, want: "gate in guard", unlock: "gate"},
		"unlocked, nobody runs":     {there: unlocked, want: "gate in portcullis", unlock: "gate"},
		"unlocked":                  {there: append(unlocked, replicaOf("gate", "guard")), want: "gate in guard", unlock: "gate"},
		"two":                       {there: two, want: "there are the releases a, b; say which with --name", unlock: "there are the releases a, b; say which with --name"},
		"two, the name is given":    {there: two, name: "b", want: "b in two", unlock: "b"},
		"another name is given":     {there: two, name: "c", want: "c in portcullis", unlock: "c"},
		"both are given":            {there: two, name: "b", namespace: "three", want: "b in three", unlock: "b"},
		"the namespace is given":    {there: registeredAs("gate", "guard", ""), namespace: "three", want: "gate in three", unlock: "gate"},
		"one name, two namespaces":  {there: []runtime.Object{replicaOf("gate", "one"), replicaOf("gate", "two")}, want: "the release gate is in the namespaces one, two; say which with --namespace", unlock: "gate"},
		"configurations are hidden": {there: two, hidden: []string{"validatingwebhookconfigurations"}, want: "b in two", unlock: "b"},
		"Leases are hidden":         {there: two, hidden: []string{"leases"}, want: "a in one", unlock: "a"},
		"everything is hidden": {
			there: two, hidden: []string{"leases", "validatingwebhookconfigurations"},
			want:   "which release there is cannot be seen; give --namespace, and --name if it is not portcullis: validatingwebhookconfigurations",
			unlock: "portcullis",
		},
		"everything is hidden, the namespace is given": {
			there: two, hidden: []string{"leases", "validatingwebhookconfigurations"}, namespace: "one", want: "portcullis in one", unlock: "portcullis",
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(c.there...)
			for _, resource := range c.hidden {
				client.PrependReactor("list", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
				})
			}
			given := clusterFlags{name: cmp.Or(c.name, defaultName), named: func() bool { return c.name != "" }}
			flags, namespace, got := given, c.namespace, ""
			if err := flags.find(t.Context(), client, &namespace); err != nil {
				got = err.Error()
			} else {
				got = flags.name + " in " + namespace
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("doctor: %s\n   want: %s", got, c.want)
			}
			flags = given
			if found, err := findReleases(t.Context(), client); err == nil {
				if err := flags.findName(found); err != nil {
					flags.name = err.Error()
				}
			}
			if flags.name != c.unlock {
				t.Errorf("unlock: %s\n   want: %s", flags.name, c.unlock)
			}
		})
	}
}
