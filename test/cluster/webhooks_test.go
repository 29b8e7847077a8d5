package cluster

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func TestDefaultRulesSpareWhatKeepsAClusterAlive(t *testing.T) {
	never := []string{"*", "leases", "events", "nodes", "tokenreviews", "subjectaccessreviews", "validatingwebhookconfigurations"}
	for _, rule := range DefaultRules() {
		for _, resource := range rule.Resources {
			name, _, _ := strings.Cut(resource, "/")
			if slices.Contains(never, name) {
				t.Errorf("a default rule names %s", resource)
			}
		}
	}
}

func TestMutableKeepsCreatesAndUpdates(t *testing.T) {
	rule := func(ops ...admissionregistrationv1.OperationType) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{Operations: ops}
	}
	got := mutable([]admissionregistrationv1.RuleWithOperations{rule("CONNECT"), rule("*"), rule("DELETE", "UPDATE"), rule("DELETE")})
	var operations [][]admissionregistrationv1.OperationType
	for _, r := range got {
		operations = append(operations, r.Operations)
	}
	if len(operations) != 2 || !slices.Equal(operations[0], []admissionregistrationv1.OperationType{"CREATE", "UPDATE"}) ||
		!slices.Equal(operations[1], []admissionregistrationv1.OperationType{"UPDATE"}) {
		t.Errorf("got %v", operations)
	}
}

func TestCalloutsThatCannotWork(t *testing.T) {
	for want, c := range map[string]Callouts{
		"must be like https": {URL: "http://127.0.0.1:8443"},
		"given together":     {URL: "https://127.0.0.1:8443", ClientCert: []byte("x")},
		"none of the paths":  {URL: "https://127.0.0.1:8443", Paths: []string{"/admit"}},
	} {
		if _, err := c.Write(t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestCalloutsWriteOnlyWhatIsAskedFor(t *testing.T) {
	c := Callouts{URL: "https://127.0.0.1:8443/", Paths: []string{Validate}}
	o, err := c.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if o.TokenWebhookConfig+o.AuthorizationConfig+o.AdmissionConfig+o.AuditPolicy != "" || len(o.AdmissionPlugins) > 0 {
		t.Errorf("options name more than asked for: %+v", o)
	}
	validating, mutating := c.WebhookConfigurations()
	if mutating != nil || *validating.Webhooks[0].ClientConfig.URL != "https://127.0.0.1:8443/validate" {
		t.Errorf("got %v, %v", validating, mutating)
	}
}
