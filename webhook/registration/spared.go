package registration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Group is the API group of our own kinds.
const Group = "portcullis.dev"

const rbacGroup = "rbac.authorization.k8s.io"

// spare is what is never asked about, whatever policies want: while Portcullis is away a cluster must be able to get it back.
type spare struct {
	name string // of the match condition
	Resource
}

func spares() []spare {
	return []spare{
		// A node that cannot join, report or be repaired runs nothing, Portcullis included.
		{"not-nodes", Resource{"", "nodes", all}},
		// By leases nodes say that they live, and controllers agree who works.
		{"not-leases", Resource{"coordination.k8s.io", all, all}},
		// Everybody writes events, most of all when things go wrong.
		{"not-events", Resource{"", "events", all}},
		{"not-events", Resource{"events.k8s.io", all, all}},
		// By these nodes and components get their certificates.
		{"not-certificate-requests", Resource{"certificates.k8s.io", "certificatesigningrequests", all}},
		// Questions to the API server, not objects. It does not send them to webhooks any more, but it did.
		{"not-reviews", Resource{"authentication.k8s.io", all, all}},
		{"not-reviews", Resource{"authorization.k8s.io", all, all}},
		// By these a cluster is opened, and they are what webhooks are. Of those that are objects the API server asks none about them, but it
		// does ask those that it reads from files.
		{"not-admission-configurations", Resource{admissionregistrationv1.GroupName, all, all}},
		// A policy must always be mended; the configuration for policies watches over them.
		{"not-policies", Resource{Group, all, all}},
	}
}

// includes reports whether rules of these atoms are about anything of r.
func includes(atoms []atom, r Resource) bool {
	return slices.ContainsFunc(atoms, func(a atom) bool { _, overlap := a.Resource.meet(r); return overlap })
}

// Spared lists those of an interest's resources that are never asked about, in their order: whoever wrote the policy should be told.
func Spared(i Interest) []Resource {
	var out []Resource
	for _, r := range i.Resources {
		if spared(r) {
			out = append(out, r)
		}
	}
	return out
}

func spared(r Resource) bool {
	return slices.ContainsFunc(spares(), func(s spare) bool { return s.covers(r) })
}

// sparing are the conditions for a webhook with these rules. Each has a value for every request: one that fails stops the request, or the
// check. What in the request may be absent is asked for with has(): an empty field is left out of it.
func sparing(atoms []atom, o Options) []admissionregistrationv1.MatchCondition {
	var out []admissionregistrationv1.MatchCondition
	for _, s := range spares() {
		if !includes(atoms, s.Resource) { // only a wildcard in the rules can
			continue
		}
		expression := "request.resource.group != " + quote(s.Group)
		if s.Resource.Resource != all {
			expression += " || request.resource.resource != " + quote(s.Resource.Resource)
		}
		if last := len(out) - 1; last >= 0 && out[last].Name == s.name {
			out[last].Expression = fmt.Sprintf("(%s) && (%s)", out[last].Expression, expression)
			continue
		}
		out = append(out, admissionregistrationv1.MatchCondition{Name: s.name, Expression: expression})
	}
	for _, k := range keepsakes(o) {
		if includes(atoms, k.Resource) {
			out = append(out, k.condition())
		}
	}
	out = append(out, bootstrapping(atoms)...)
	return append(out,
		admissionregistrationv1.MatchCondition{
			// When the API server starts it makes what it needs, roles and priorities among them, and ends if it cannot.
			Name: "not-the-api-server-or-portcullis",
			Expression: fmt.Sprintf("!has(request.userInfo.username) || !(request.userInfo.username in %s)",
				list([]string{"system:apiserver", o.user()})),
		},
		admissionregistrationv1.MatchCondition{
			// Kubelets report on Pods, end them and get tokens for them. The Pods they make, mirrors of their files, are looked at: they
			// run in any case, and where NodeRestriction is off, these might be other Pods.
			Name: "not-nodes-at-work",
			Expression: `!has(request.userInfo.groups) || !("system:nodes" in request.userInfo.groups) || (request.operation == "CREATE" && ` +
				`request.resource.group == "" && request.resource.resource == "pods" && !has(request.subResource))`,
		},
	)
}

// user is the name of our own service account as the API server knows it.
func (o Options) user() string {
	return "system:serviceaccount:" + o.Namespace + ":" + o.serviceAccount()
}

func (o Options) serviceAccount() string {
	return cmp.Or(o.ServiceAccount, o.Name)
}

func list(items []string) string {
	var quoted []string
	for _, item := range items {
		quoted = append(quoted, quote(item))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
