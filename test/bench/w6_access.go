package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies/native"
)

// accessReviews is W6: what a busy API server asks its authorizers. Every policy is asked about every request of its stage, as none of
// them narrows its match.
func accessReviews() workload {
	const name = "W6"
	return workload{
		name: name, title: "unique SubjectAccessReviews, 10 guard and 10 grant policies, over HTTP/2",
		measure: func(ctx context.Context, l *lab) ([]row, error) {
			set, err := l.accessPolicies()
			if err != nil {
				return nil, err
			}
			all, err := accessTraffic()
			if err != nil {
				return nil, err
			}
			return l.against(ctx, trial{workload: name, traffic: all, speak: http2}, set, 32)
		},
	}
}

// accessPolicies puts the policies of policies/access into the lab's directory.
func (l *lab) accessPolicies() (policySet, error) {
	const from = "policies/access"
	dir, err := l.newDir("access-policies")
	if err != nil {
		return policySet{}, err
	}
	set := policySet{flags: []string{dir}}
	reader, err := libraryReader()
	if err != nil {
		return set, err
	}
	for _, name := range []string{"guard.yaml", "grant.yaml"} {
		text, err := embedded.ReadFile(path.Join(from, name))
		if err != nil {
			return set, err
		}
		specs, faults := reader.Read([]native.File{{Name: name, Text: text}})
		if len(faults) > 0 {
			return set, faults
		}
		set.specs = append(set.specs, specs...)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return set, err
		}
	}
	return set, nil
}

// access is one kind of question and what its answer has to be.
type access struct {
	path            string
	user            string
	groups          []string
	attributes      authorizationv1.ResourceAttributes
	allowed, denied bool
}

// accesses are a day of a cluster: most guards have no opinion, and grants say yes or nothing.
func accesses() []access {
	const guard, grant = "/authorize/guard", "/authorize/grant"
	attributes := func(verb, namespace, group, resource, subresource, name string) authorizationv1.ResourceAttributes {
		return authorizationv1.ResourceAttributes{
			Verb: verb, Namespace: namespace, Group: group, Version: "v1", Resource: resource, Subresource: subresource, Name: name,
		}
	}
	teamPods := attributes("get", "@team.h4@-shop", "", "pods", "", "app-@name.h8@")
	prodExec := attributes("create", "prod-@team.h4@", "", "pods", "exec", "app-@name.h8@")
	deploy := attributes("patch", "shop-@team.h4@", "apps", "deployments", "", "app-@name.h8@")
	logs := attributes("get", "test-@team.h4@", "", "pods", "log", "app-@name.h8@")
	secret := attributes("get", "shop-@team.h4@", "", "secrets", "", "db-@name.h8@")
	ingresses := attributes("list", "shop-@team.h4@", "networking.k8s.io", "ingresses", "", "")
	member, pipeline := "user-@user.h6@", "system:serviceaccount:pipelines:shop-@team.h4@"
	team := []string{"team-@team.h4@", "developers", "system:authenticated"}
	accounts := []string{"system:serviceaccounts", "system:serviceaccounts:pipelines", "system:authenticated"}
	return []access{
		{path: guard, user: member, groups: team, attributes: teamPods},
		{path: grant, user: member, groups: team, attributes: teamPods, allowed: true},
		{path: guard, user: member, groups: team, attributes: prodExec, denied: true},
		{path: grant, user: member, groups: team, attributes: secret},
		{path: guard, user: pipeline, groups: accounts, attributes: deploy},
		{path: grant, user: pipeline, groups: accounts, attributes: deploy, allowed: true},
		{path: guard, user: member, groups: team, attributes: logs},
		{path: grant, user: member, groups: team, attributes: logs, allowed: true},
		{path: guard, user: member, groups: []string{"support", "system:authenticated"}, attributes: secret, denied: true},
		{path: grant, user: member, groups: []string{"auditors", "system:authenticated"}, attributes: ingresses, allowed: true},
	}
}

func accessTraffic() (traffic, error) {
	kinds := accesses()
	bodies := make(texts, len(kinds))
	for i, a := range kinds {
		var err error
		if bodies[i], err = newTemplate(&authorizationv1.SubjectAccessReview{
			TypeMeta: metav1.TypeMeta{Kind: "SubjectAccessReview", APIVersion: "authorization.k8s.io/v1"},
			Spec: authorizationv1.SubjectAccessReviewSpec{
				ResourceAttributes: &a.attributes, User: a.user, Groups: a.groups, UID: "@uid.h8@-4a5e-4f4a-9d53-@uidb.h12@",
				Extra: map[string]authorizationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"JTI=@jti.h8@-9f1e-4e9b-b2d2-0c1d2e3f4a5b"}},
			},
		}); err != nil {
			return nil, err
		}
	}
	return trafficFunc(func(number uint64) question {
		a := kinds[number%uint64(len(kinds))]
		return question{path: a.path + "?timeout=3s", body: bodies.text(number), check: a.check}
	}), nil
}

// check holds an answer to what it has to be.
func (a access) check(answer []byte) error {
	var got struct {
		Status *struct {
			Allowed bool `json:"allowed"`
			Denied  bool `json:"denied"`
		} `json:"status"`
	}
	switch err := json.Unmarshal(answer, &got); {
	case err != nil:
		return fmt.Errorf("the answer is not JSON: %w", err)
	case got.Status == nil:
		return errors.New("the answer has no status")
	case got.Status.Allowed != a.allowed || got.Status.Denied != a.denied:
		return fmt.Errorf("%s %s: allowed should be %t and denied %t", a.attributes.Verb, a.attributes.Resource, a.allowed, a.denied)
	}
	return nil
}
