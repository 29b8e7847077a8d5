package contract

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	"k8s.io/apiserver/pkg/authorization/union"
	authorizerwebhook "k8s.io/apiserver/plugin/pkg/authorizer/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook/metrics"
)

// access is a bundle for both authorizers.
var access = files{
	"guard.rego": policy("guard", "{stage: guard, resources: [secrets, pods/exec]}", `
deny contains "secrets in prod are not deleted" if {
	input.spec.resourceAttributes.verb == "delete"
	input.spec.resourceAttributes.resource == "secrets"
	input.spec.resourceAttributes.namespace == "prod"
}

deny contains "contractors get no shell" if {
	input.spec.resourceAttributes.subresource == "exec"
	"contractors" in input.spec.groups
}`),
	"paths.rego": policy("paths", "{stage: guard}", `deny contains "not for you" if startswith(input.spec.nonResourceAttributes.path, "/debug")`),
	"grant.rego": policy("grant", "{stage: grant, resources: [pods, pods/log], groups: [oncall]}", `
allow contains "on call" if input.spec.resourceAttributes.verb in {"get", "delete"}`),
}

func (s *server) authorizer(t testing.TB, version, path string, change ...func(*time.Duration)) authorizer.Authorizer {
	t.Helper()
	config := s.kubeconfig(t, path)
	for _, c := range change {
		c(&config.Timeout)
	}
	w, err := authorizerwebhook.New(config, version, 5*time.Minute, 30*time.Second, once, authorizer.DecisionNoOpinion, nil,
		"portcullis", metrics.NoopAuthorizerMetrics{}, authorizationcel.NewDefaultCompiler())
	must(t, err)
	return w
}

// rbac takes the place of RBAC: admins may do everything, everybody may read pods. It counts how often it is asked.
type rbac struct{ asked int }

func (r *rbac) authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	r.asked++
	switch {
	case slices.Contains(a.GetUser().GetGroups(), "admins"):
		return authorizer.DecisionAllow, "RBAC: allowed by ClusterRoleBinding cluster-admin", nil
	case a.GetResource() == "pods" && a.GetSubresource() == "" && a.GetVerb() == "get":
		return authorizer.DecisionAllow, "RBAC: allowed by RoleBinding readers", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func chain(t testing.TB, links ...union.NamedAuthorizer) authorizer.Authorizer {
	t.Helper()
	out, err := union.New(links...)
	must(t, err)
	return out
}

// question is may the members of groups do that.
func question(groups, verb, resource string, change ...func(*authorizer.AttributesRecord)) authorizer.AttributesRecord {
	plural, subresource, _ := strings.Cut(resource, "/")
	q := authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: "jane", UID: "u-1", Groups: strings.Fields(groups), Extra: map[string][]string{"example.com/session": {"7"}}},
		Verb: verb, Namespace: "prod", APIVersion: "v1", Resource: plural, Subresource: subresource, Name: "web", ResourceRequest: true,
	}
	if strings.HasPrefix(resource, "/") {
		q = authorizer.AttributesRecord{User: q.User, Verb: verb, Path: resource}
	}
	for _, c := range change {
		c(&q)
	}
	return q
}

func TestTheGuardComesBeforeRBACAndTheGrantAfterIt(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, access)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			rbac := &rbac{}
			all := chain(t,
				union.NamedAuthorizer{AuthorizerName: "portcullis-guard", Authorizer: s.authorizer(t, version, "/authorize/guard")},
				union.NamedAuthorizer{AuthorizerName: "rbac", Authorizer: authorizer.AuthorizerFunc(rbac.authorize)},
				union.NamedAuthorizer{AuthorizerName: "portcullis-grant", Authorizer: s.authorizer(t, version, "/authorize/grant")},
			)
			for _, c := range []struct {
				name     string
				question authorizer.AttributesRecord
				decision authorizer.Decision
				reason   string
				stages   string // of ours that were asked
				rbac     int    // times asked
			}{
				{"the guard beats cluster-admin", question("admins", "delete", "secrets"), authorizer.DecisionDeny, "guard: secrets in prod are not deleted", "guard", 0},
				{"what the guard says nothing about is RBAC's", question("admins", "get", "secrets"), authorizer.DecisionAllow, "RBAC: allowed by ClusterRoleBinding cluster-admin", "guard", 1},
				{"the grant is not asked where RBAC allows", question("oncall", "get", "pods"), authorizer.DecisionAllow, "RBAC: allowed by RoleBinding readers", "guard", 1},
				{"the grant allows what RBAC does not", question("oncall", "delete", "pods"), authorizer.DecisionAllow, "grant: on call", "guard grant", 1},
				{"nobody has an opinion, and nothing is said of why", question("dev", "delete", "pods"), authorizer.DecisionNoOpinion, "", "guard grant", 1},
				{"the guard reads groups", question("admins contractors", "create", "pods/exec"), authorizer.DecisionDeny, "guard: contractors get no shell", "guard", 0},
				{"another subresource is another matter", question("contractors", "create", "pods/attach"), authorizer.DecisionNoOpinion, "", "guard grant", 1},
				{"a grant of pods/log is one", question("oncall", "get", "pods/log"), authorizer.DecisionAllow, "grant: on call", "guard grant", 1},
				{"a path", question("admins", "get", "/debug/pprof"), authorizer.DecisionDeny, "paths: not for you", "guard", 0},
				{"another path", question("admins", "get", "/healthz"), authorizer.DecisionAllow, "RBAC: allowed by ClusterRoleBinding cluster-admin", "guard", 1},
			} {
				t.Run(c.name, func(t *testing.T) {
					s.heard.take()
					rbac.asked = 0
					decision, reason, err := all.Authorize(t.Context(), c.question)
					reason, _ = marked(reason) // RBAC's has none
					if decision != c.decision || reason != c.reason || err != nil {
						t.Errorf("%s %q %v", decision, reason, err)
					}
					var stages []string
					for _, req := range s.heard.take() {
						stages = append(stages, string(req.Stage))
					}
					if strings.Join(stages, " ") != c.stages || rbac.asked != c.rbac {
						t.Errorf("asked were %v, and RBAC %d times", stages, rbac.asked)
					}
				})
			}
		})
	}
}

// The control of the order: behind RBAC a guard is never asked about what RBAC allows.
func TestAGuardBehindRBACGuardsNothing(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, access)
	decision, _, err := chain(t,
		union.NamedAuthorizer{AuthorizerName: "rbac", Authorizer: authorizer.AuthorizerFunc(new(rbac).authorize)},
		union.NamedAuthorizer{AuthorizerName: "portcullis-guard", Authorizer: s.authorizer(t, "v1", "/authorize/guard")},
	).Authorize(t.Context(), question("admins", "delete", "secrets"))
	if decision != authorizer.DecisionAllow || err != nil || len(s.heard.take()) != 0 {
		t.Error(decision, err)
	}
}

// Whichever way an authorizer fails, a guard never lets through what its policies are for and a grant never gives anything; and the
// answer is a decision wherever it can be, for an error without one is a 500 to the user.
func TestAccessWhenAPolicyIsFaulty(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	const broken = "contains f(1)\n\nf(x) := \"a\" if x > 0\n\nf(x) := \"b\" if x < 2"
	s := serve(t, files{
		"deny.rego":  policy("strict", "{stage: guard, resources: [secrets]}", "deny "+broken),
		"allow.rego": strings.Replace(policy("lax", "{stage: guard, resources: [configmaps]}", "deny "+broken), "match:", "onError: allow\n#     match:", 1),
		"grant.rego": policy("grant", "{stage: grant, resources: [pods]}", "allow "+broken),
	})
	guard, grant := s.authorizer(t, "v1", "/authorize/guard"), s.authorizer(t, "v1", "/authorize/grant")
	for _, c := range []struct {
		name     string
		of       authorizer.Authorizer
		resource string
		decision authorizer.Decision
		reason   string
	}{
		{"a guard refuses", guard, "secrets", authorizer.DecisionDeny, "strict: the policy could not be evaluated: eval_conflict_error at deny.rego:13"},
		{"a guard whose onError is allow has no opinion", guard, "configmaps", authorizer.DecisionNoOpinion, ""},
		{"a grant gives nothing", grant, "pods", authorizer.DecisionNoOpinion, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			decision, reason, err := c.of.Authorize(t.Context(), question("dev", "get", c.resource))
			if decision != c.decision || said(t, reason) != c.reason || err != nil {
				t.Errorf("%s %q %v", decision, reason, err)
			}
		})
	}
}

// Without an answer the authorizer's own failure policy decides, here to have no opinion, and the error goes with it: if nobody else
// allows the request, the user reads 500 and not 403.
func TestAccessWithoutAnAnswerIsAnError(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, access, func(o *setup) { o.unloaded, o.impatient = true, true })
	all := chain(t,
		union.NamedAuthorizer{AuthorizerName: "portcullis-guard", Authorizer: s.authorizer(t, "v1", "/authorize/guard")},
		union.NamedAuthorizer{AuthorizerName: "rbac", Authorizer: authorizer.AuthorizerFunc(new(rbac).authorize)},
		union.NamedAuthorizer{AuthorizerName: "portcullis-grant", Authorizer: s.authorizer(t, "v1", "/authorize/grant")},
	)
	decision, _, err := all.Authorize(t.Context(), question("dev", "delete", "secrets"))
	const each = "no answer is available now: no policies are loaded yet"
	if decision != authorizer.DecisionNoOpinion || err == nil || err.Error() != each {
		t.Error(decision, err)
	}
	decision, _, err = all.Authorize(t.Context(), question("admins", "delete", "secrets"))
	if decision != authorizer.DecisionAllow || err != nil {
		t.Error(decision, err)
	}
}

// A server whose policies are still on their way says when to ask again, and the API server's client does so by itself: the user never
// hears of it.
func TestAccessIsAskedAgainUntilPoliciesAreLoaded(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	attempts := 0
	var s *server
	s = serve(t, nil, func(o *setup) {
		o.unloaded = true
		o.seen = func(*http.Request) {
			if attempts++; attempts == 2 {
				s.engine.Use(compile(t, access, setup{}, s.asked))
			}
		}
	})
	decision, reason, err := s.authorizer(t, "v1", "/authorize/guard").Authorize(t.Context(), question("admins", "delete", "secrets"))
	if decision != authorizer.DecisionDeny || said(t, reason) != "guard: secrets in prod are not deleted" || err != nil || attempts != 2 {
		t.Errorf("%s %q %v after %d attempts", decision, reason, err, attempts)
	}
}

// The API server keeps decisions by what was asked, all of it: what is the same is not asked twice, what differs in anything is. So a
// policy must answer the same question in the same way, and nothing that changes by request belongs in a user's extra.
func TestDecisionsAreCachedByAllThatWasAsked(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, access)
	guard := s.authorizer(t, "v1", "/authorize/guard")
	with := func(change func(*authorizer.AttributesRecord)) authorizer.AttributesRecord {
		return question("dev", "delete", "secrets", change)
	}
	kept := "" // the mark of the answer before, which the API server keeps with it
	long := with(func(a *authorizer.AttributesRecord) { a.Name = strings.Repeat("x", 10_000) })
	for _, c := range []struct {
		name     string
		question authorizer.AttributesRecord
		asked    int
	}{
		{"the first time", question("dev", "delete", "secrets"), 1},
		{"again", question("dev", "delete", "secrets"), 0},
		{"another name", with(func(a *authorizer.AttributesRecord) { a.Name = "db" }), 1},
		{"a nonce in the user's extra", with(func(a *authorizer.AttributesRecord) {
			a.User = &user.DefaultInfo{Name: "jane", UID: "u-1", Groups: []string{"dev"}, Extra: map[string][]string{"example.com/session": {"8"}}}
		}), 1},
		{"no opinion is kept too", question("dev", "get", "secrets"), 1},
		{"no opinion again", question("dev", "get", "secrets"), 0},
		{"more than 10,000 bytes", long, 1},
		{"more than 10,000 bytes again", long, 1},
	} {
		s.heard.take()
		first, reason, err := guard.Authorize(t.Context(), c.question)
		if _, id := marked(reason); c.asked == 0 && id != kept {
			t.Errorf("%s: the mark is %q, and was %q when it was asked", c.name, id, kept)
		} else {
			kept = id
		}
		if got := len(s.heard.take()); got != c.asked || err != nil {
			t.Errorf("%s: asked %d times, %v", c.name, got, err)
		}
		again, same, err := s.authorizer(t, "v1", "/authorize/guard").Authorize(t.Context(), c.question)
		if again != first || said(t, same) != said(t, reason) || err != nil {
			t.Errorf("%s: %s %q, and then %s %q", c.name, first, reason, again, same)
		}
	}
}

func TestPoliciesReadTheSelectorsOfAList(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, files{"g.rego": policy("own", "{stage: grant, resources: [pods], operations: [list, watch]}", `
allow contains "pods of its own node" if {
	some r in input.spec.resourceAttributes.fieldSelector.requirements
	r == {"key": "spec.nodeName", "operator": "In", "values": ["n1"]}
}`)})
	grant := s.authorizer(t, "v1", "/authorize/grant")
	for operator, want := range map[selection.Operator]authorizer.Decision{
		selection.Equals: authorizer.DecisionAllow, selection.NotEquals: authorizer.DecisionNoOpinion, selection.Exists: authorizer.DecisionNoOpinion,
	} {
		decision, _, err := grant.Authorize(t.Context(), question("dev", "list", "pods", func(a *authorizer.AttributesRecord) {
			a.FieldSelectorRequirements = fields.Requirements{{Field: "spec.nodeName", Operator: operator, Value: "n1"}}
		}))
		if decision != want || err != nil {
			t.Errorf("%s: %s %v", operator, decision, err)
		}
	}
}

// Whoever asks "may I" of the API server may leave the resource out. That is a question like any other, not a fault.
func TestAQuestionWithoutAResourceHasAnAnswer(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, access)
	decision, reason, err := s.authorizer(t, "v1", "/authorize/guard").Authorize(t.Context(), question("dev", "get", ""))
	if decision != authorizer.DecisionNoOpinion || reason != "" || err != nil {
		t.Errorf("%s %q %v", decision, reason, err)
	}
}
