package controlplane

import (
	"slices"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"sigs.k8s.io/yaml"
)

func TestEventsAreSetUpOnlyWhenAskedFor(t *testing.T) {
	o := Options{URL: "https://127.0.0.1:8443", Dir: "/d"}
	names := func() (out []string) {
		files, flags, err := Files(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			out = append(out, f.Name)
		}
		for _, f := range flags {
			out = append(out, f.Name+"="+f.Value)
		}
		return out
	}
	if slices.Contains(names(), AuditPolicyFile) {
		t.Error("nobody asked for events")
	}
	o.Callouts = []string{Events}
	want := []string{
		"audit-policy.yaml", "events.kubeconfig",
		"audit-policy-file=/d/audit-policy.yaml", "audit-webhook-config-file=/d/events.kubeconfig", "audit-webhook-batch-max-wait=5s",
	}
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The API server's own reader and evaluator judge the policy.
func TestTheAuditPolicy(t *testing.T) {
	text, err := yaml.Marshal(Options{Unasked: []string{"system:serviceaccount:portcullis:portcullis"}}.auditPolicy())
	if err != nil {
		t.Fatal(err)
	}
	read, err := policy.LoadPolicyFromBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	rules := policy.NewPolicyRuleEvaluator(read)
	for name, c := range map[string]struct {
		user, group, verb, what string
		want                    auditv1.Level
	}{
		"somebody reads":                   {"jane", "dev", "get", "secrets", auditv1.LevelMetadata},
		"somebody writes":                  {"jane", "dev", "create", "pods", auditv1.LevelMetadata},
		"somebody is unknown":              {"system:anonymous", "system:unauthenticated", "list", "pods", auditv1.LevelMetadata},
		"somebody looks at a path":         {"jane", "dev", "get", "/debug/pprof", auditv1.LevelMetadata},
		"somebody asks for health":         {"jane", "dev", "get", "/livez/etcd", auditv1.LevelNone},
		"a lease is renewed":               {"system:node:a", "system:nodes", "update", "leases", auditv1.LevelNone},
		"a node reads":                     {"system:node:a", "system:nodes", "get", "pods", auditv1.LevelNone},
		"a node writes":                    {"system:node:a", "system:nodes", "delete", "pods", auditv1.LevelMetadata},
		"a controller writes":              {"system:serviceaccount:kube-system:job-controller", "system:serviceaccounts:kube-system", "create", "pods", auditv1.LevelMetadata},
		"the scheduler watches":            {"system:kube-scheduler", "system:authenticated", "watch", "pods", auditv1.LevelNone},
		"we watch":                         {"system:serviceaccount:portcullis:portcullis", "system:serviceaccounts", "watch", "pods", auditv1.LevelNone},
		"we write":                         {"system:serviceaccount:portcullis:portcullis", "system:serviceaccounts", "patch", "secrets", auditv1.LevelMetadata},
		"another of ours watches":          {"system:serviceaccount:portcullis:other", "system:serviceaccounts", "watch", "pods", auditv1.LevelMetadata},
		"who is called like the scheduler": {"system:kube-scheduler-2", "system:authenticated", "watch", "pods", auditv1.LevelMetadata},
	} {
		attributes := authorizer.AttributesRecord{User: &user.DefaultInfo{Name: c.user, Groups: []string{c.group}}, Verb: c.verb}
		if c.what[0] == '/' {
			attributes.Path = c.what
		} else {
			attributes.ResourceRequest, attributes.Resource = true, c.what
		}
		if c.what == "leases" {
			attributes.APIGroup = "coordination.k8s.io"
		}
		if got := rules.EvaluatePolicyRule(attributes).Level; string(got) != string(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
