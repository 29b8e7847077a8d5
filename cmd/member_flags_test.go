package cmd

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// A release may run as a service account of any name. It is that one whose requests are not judged.
func TestServiceAccount(t *testing.T) {
	for account, user := range map[string]string{
		"": "system:serviceaccount:guard:gate", "ready-made": "system:serviceaccount:guard:ready-made",
	} {
		options, err := (&memberFlags{name: "gate", namespace: "guard", serviceAccount: account}).registration(nil)
		if err != nil {
			t.Fatal(err)
		}
		interest := registration.Interest{Phase: registration.Validate, Resources: []registration.Resource{{Resource: "pods"}}, Fail: true}
		said := ""
		for _, hook := range registration.Plan([]registration.Interest{interest}, options).Validating.Webhooks {
			for _, condition := range hook.MatchConditions {
				said += condition.Expression
			}
		}
		if !strings.Contains(said, `"`+user+`"`) || strings.Count(said, "system:serviceaccount:guard:") != strings.Count(said, user) {
			t.Errorf("as %q the conditions are %s", account, said)
		}
	}
}
