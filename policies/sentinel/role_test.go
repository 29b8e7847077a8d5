package sentinel

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// A policy about roles is asked about that of Portcullis as the chart renders it, with what it may of Gatekeeper's kinds.
func TestTheRoleIsTheChartsOwn(t *testing.T) {
	text, err := os.ReadFile("../../test/chart/testdata/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []rbacv1.PolicyRule
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(doc), &role); err == nil && role.Kind == "ClusterRole" && len(role.Rules) > 0 {
			want = role.Rules
		}
	}
	found := 0
	for _, req := range sentinel(t, Options{Namespace: "portcullis-system", Name: "portcullis"}).spared {
		for _, object := range [][]byte{req.Object, req.OldObject} {
			var role rbacv1.ClusterRole
			if err := json.Unmarshal(object, &role); err != nil || role.Kind != "ClusterRole" {
				continue
			}
			found++
			for i := range max(len(want), len(role.Rules)) {
				if i >= len(want) || i >= len(role.Rules) || !reflect.DeepEqual(role.Rules[i], want[i]) {
					t.Fatalf("rule %d of %s differs:\n%v\n%v", i, req.what, role.Rules[min(i, len(role.Rules)-1)], want[min(i, len(want)-1)])
				}
			}
		}
	}
	if found == 0 {
		t.Error("nobody is asked about the role")
	}
}
