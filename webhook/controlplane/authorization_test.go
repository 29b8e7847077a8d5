package controlplane

import (
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
)

// The API server's own compiler and matcher judge the conditions.
func TestMatchConditions(t *testing.T) {
	compiler := authorizationcel.NewDefaultCompiler()
	var results []authorizationcel.CompilationResult
	for _, condition := range matchConditions([]string{"system:serviceaccount:portcullis:portcullis", "portcullis"}) {
		result, err := compiler.CompileCELExpression(&authorizationcel.SubjectAccessReviewMatchCondition{Expression: condition.Expression})
		if err != nil {
			t.Fatalf("%s: %v", condition.Expression, err)
		}
		results = append(results, result)
	}
	matcher := authorizationcel.CELMatcher{CompilationResults: results}

	pods := &authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"}
	path := func(p string) *authorizationv1.NonResourceAttributes {
		return &authorizationv1.NonResourceAttributes{Verb: "get", Path: p}
	}
	for name, tc := range map[string]struct {
		spec authorizationv1.SubjectAccessReviewSpec
		want bool
	}{
		"nothing at all": {authorizationv1.SubjectAccessReviewSpec{}, true},
		"a user": {authorizationv1.SubjectAccessReviewSpec{
			User: "alice", Groups: []string{"dev", "system:authenticated"}, ResourceAttributes: pods,
		}, true},
		"a user without groups": {authorizationv1.SubjectAccessReviewSpec{User: "alice", ResourceAttributes: pods}, true},
		"a service account": {authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:team:app", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:team"}, ResourceAttributes: pods,
		}, true},
		"a service account of a namespace like kube-system": {authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:kube-system-2:app", Groups: []string{"system:serviceaccounts:kube-system-2"}, ResourceAttributes: pods,
		}, true},
		"the system's service accounts": {authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:kube-system:job-controller", Groups: []string{"system:serviceaccounts:kube-system"}, ResourceAttributes: pods,
		}, false},
		"a node": {authorizationv1.SubjectAccessReviewSpec{
			User: "system:node:a", Groups: []string{"system:nodes"}, ResourceAttributes: pods,
		}, false},
		"the scheduler":         {authorizationv1.SubjectAccessReviewSpec{User: "system:kube-scheduler", ResourceAttributes: pods}, false},
		"who is called like it": {authorizationv1.SubjectAccessReviewSpec{User: "system:kube-x", Groups: []string{"admins"}, ResourceAttributes: pods}, true},
		"our service account":   {authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:portcullis:portcullis", ResourceAttributes: pods}, false},
		"another of ours":       {authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:portcullis:portcullis-2", ResourceAttributes: pods}, true},
		"our user":              {authorizationv1.SubjectAccessReviewSpec{User: "portcullis", ResourceAttributes: pods}, false},
		"the API server":        {authorizationv1.SubjectAccessReviewSpec{User: "system:apiserver", ResourceAttributes: pods}, false},
		"its namesake":          {authorizationv1.SubjectAccessReviewSpec{User: "system:apiserver-2", ResourceAttributes: pods}, true},
		"health":                {authorizationv1.SubjectAccessReviewSpec{User: "alice", NonResourceAttributes: path("/livez")}, false},
		"one health check":      {authorizationv1.SubjectAccessReviewSpec{User: "alice", NonResourceAttributes: path("/readyz/etcd")}, false},
		"schemas":               {authorizationv1.SubjectAccessReviewSpec{User: "alice", NonResourceAttributes: path("/openapi/v3")}, false},
		"the version":           {authorizationv1.SubjectAccessReviewSpec{User: "alice", NonResourceAttributes: path("/version")}, false},
		"a path like a version": {authorizationv1.SubjectAccessReviewSpec{User: "alice", NonResourceAttributes: path("/versions")}, true},
		"metrics":               {authorizationv1.SubjectAccessReviewSpec{User: "alice", NonResourceAttributes: path("/metrics")}, true},
	} {
		spec := tc.spec
		got, err := matcher.Eval(t.Context(), &authorizationv1.SubjectAccessReview{Spec: spec})
		if err != nil || got != tc.want {
			t.Errorf("%s: the webhook is asked: %v, %v; want %v", name, got, err, tc.want)
		}
	}
}
