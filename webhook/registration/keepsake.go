package registration

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// keepsake is an object outside of any namespace by which Portcullis is installed, upgraded and repaired. Its kind is everybody's, so it is
// spared by its name, and by no label. Whoever may write it may write anything under that name, so of what gives permissions only that is
// spared which gives none but ours, and to nobody else. To delete it is no repair, and takes everything that is enforced with it.
type keepsake struct {
	name string // of the match condition
	Resource
	names []string
	// only is a condition in CEL that what is written must meet.
	only string
}

func keepsakes(o Options) []keepsake {
	roles := Resource{rbacGroup, "clusterroles", all}
	return []keepsake{
		// Without its kinds there are no policies.
		{"not-kinds-of-portcullis", Resource{"apiextensions.k8s.io", "customresourcedefinitions", all}, []string{"policies." + Group, "policyexceptions." + Group}, unconverted()},
		// Without its role a replica reads no policies, and writes no registration.
		{"not-role-of-portcullis", roles, []string{o.Name}, unaggregated() + " && " + o.grantingOurs()},
		// Without the role that owns the registration there is none.
		{"not-owner-role-of-portcullis", roles, []string{o.Name + ownerSuffix}, unaggregated() + " && (" + unset("object", "rules") + " || object.rules.size() == 0)"},
		{"not-role-binding-of-portcullis", Resource{rbacGroup, "clusterrolebindings", all}, []string{o.Name}, o.bindingOurs()},
	}
}

// ownerSuffix is that of the role with which everything vanishes.
const ownerSuffix = "-owner"

// What is bounded here is far more than there ever is. A condition has a budget, and one that exhausts it has no value.
const (
	maxLabels   = 64
	maxRules    = 100
	maxRuled    = 100 // groups, resources or verbs of one rule
	maxSubjects = 10
)

// unconverted is met by a definition whose objects nobody is sent to convert: he could make of them what he likes.
func unconverted() string {
	return `(!has(object.spec) || !has(object.spec.conversion) || !has(object.spec.conversion.strategy) || object.spec.conversion.strategy == "None")`
}

// unaggregated is met by a role that neither takes in the rules of others nor adds its own to theirs.
func unaggregated() string {
	return fmt.Sprintf(`!has(object.aggregationRule) && (!has(object.metadata) || !has(object.metadata.labels) || `+
		`object.metadata.labels.size() <= %d && !object.metadata.labels.exists(l, l.contains("aggregate-to-")))`, maxLabels)
}

// grantingOurs is met by a role that grants no more than the chart's: to read kinds that are named, but no secrets, and nothing by way of
// a subresource, since to get pods/exec is to run programs; and to write what only we do. The definitions of kinds are not only ours to write; but
// the role is spared while it is given to nobody else, and another policy of the API server's, the chart's, says which we may write.
func (o Options) grantingOurs() string {
	granted := strings.Join([]string{
		`r.verbs.all(v, v in ["get", "list", "watch"]) && r.apiGroups.all(g, g != "*") && ` +
			`r.resources.all(s, s != "*" && s != "secrets" && !s.contains("/"))`,
		fmt.Sprintf(`r.apiGroups == [%s] && r.resources.all(s, s in ["policies/status", "policyexceptions/status"]) && r.verbs == ["patch"]`, quote(Group)),
		`r.apiGroups == ["events.k8s.io"] && r.resources == ["events"] && r.verbs.all(v, v in ["create", "patch"])`,
		fmt.Sprintf(`r.apiGroups == [%s] && !%s && r.resourceNames.size() in [1, 2] && r.resourceNames.all(n, n in %s)`,
			quote(admissionregistrationv1.GroupName), unset("r", "resourceNames"), list([]string{o.Name, o.Name + policiesSuffix})),
		fmt.Sprintf(`r.apiGroups == [%s] && r.resources == ["*"] && r.verbs.all(v, v in ["get", "list", "watch"])`, quote(constraintGroup)),
		fmt.Sprintf(`r.apiGroups.size() == 1 && r.apiGroups[0] in %s && r.resources.all(s, s.endsWith("/status")) && r.verbs == ["patch"]`, list(theirGroups())),
		`r.apiGroups == ["templates.gatekeeper.sh"] && r.resources == ["constrainttemplates/finalizers"] && r.verbs == ["update"]`,
		`r.apiGroups.all(g, g in ["openreports.io", "wgpolicyk8s.io"]) && r.resources.all(s, s.endsWith("reports")) && ` +
			`r.verbs.all(v, v in ["get", "list", "create", "patch", "delete"])`,
		`r.apiGroups == ["apiextensions.k8s.io"] && r.resources == ["customresourcedefinitions"] && ` +
			`r.verbs.all(v, v in ["get", "list", "watch", "create", "patch"])`,
	}, " || ")
	var bounded []string
	for _, field := range []string{"apiGroups", "resources", "verbs"} {
		bounded = append(bounded, fmt.Sprintf("!%s && r.%s.size() <= %d", unset("r", field), field, maxRuled))
	}
	return fmt.Sprintf("(%s || object.rules.size() <= %d && object.rules.all(r, %s && %s && (%s)))",
		unset("object", "rules"), maxRules, unset("r", "nonResourceURLs"), strings.Join(bounded, " && "), granted)
}

// constraintGroup is the group of all kinds of constraints.
const constraintGroup = "constraints.gatekeeper.sh"

// theirGroups are the groups of Gatekeeper's objects whose status we write.
func theirGroups() []string {
	return []string{
		"templates.gatekeeper.sh", constraintGroup, "mutations.gatekeeper.sh", "expansion.gatekeeper.sh", "externaldata.gatekeeper.sh",
		"config.gatekeeper.sh", "syncset.gatekeeper.sh",
	}
}

// bindingOurs is met by a binding that gives our role to nobody but our service account.
func (o Options) bindingOurs() string {
	return fmt.Sprintf(`has(object.roleRef) && has(object.roleRef.name) && object.roleRef.name == %s && `+
		`(%s || object.subjects.size() <= %d && object.subjects.all(s, has(s.kind) && s.kind == "ServiceAccount" && has(s.name) && s.name == %s && `+
		`has(s.namespace) && s.namespace == %s))`, quote(o.Name), unset("object", "subjects"), maxSubjects, quote(o.serviceAccount()), quote(o.Namespace))
}

// unset is true of a field that is not there or null, which is how the API server spells some lists that are empty.
func unset(object, field string) string {
	return fmt.Sprintf("(!has(%[1]s.%[2]s) || %[1]s.%[2]s == null)", object, field)
}

// condition spares the object. While the API server is yet to make up a name, a request has none.
func (k keepsake) condition() admissionregistrationv1.MatchCondition {
	spared := `request.operation in ["CREATE", "UPDATE"] && has(request.name) && request.name in ` + list(k.names) + " && " + k.only
	return admissionregistrationv1.MatchCondition{Name: k.name, Expression: fmt.Sprintf(
		"request.resource.group != %s || request.resource.resource != %s || !(%s)", quote(k.Group), quote(k.Resource.Resource), spared)}
}
