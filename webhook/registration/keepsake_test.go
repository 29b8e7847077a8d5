package registration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A name is no way past policies: what bears it is judged as soon as it is more than the chart makes of it.
func TestOursIsSparedAsLongAsItIsOurs(t *testing.T) {
	write := func(resource string, operation admissionregistrationv1.OperationType, name string, object any) request {
		return request{Resource: Resource{rbacGroup, resource, ""}, operation: operation, name: name, user: "alice", object: object}
	}
	role := func(with rbacv1.PolicyRule) request {
		out := charted(t, "default")["ClusterRole"].(*rbacv1.ClusterRole)
		out.Rules = append(out.Rules, with)
		return write("clusterroles", update, "portcullis", out)
	}
	reporting := func(verb, group string) request {
		return role(rbacv1.PolicyRule{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{"reports"}})
	}
	granting := func(verb, group, resource string) request {
		return role(rbacv1.PolicyRule{Verbs: []string{"get", verb}, APIGroups: []string{"apps", group}, Resources: []string{"deployments", resource}})
	}
	labelled := func(name string, rules ...rbacv1.PolicyRule) request {
		return write("clusterroles", create, name, &rbacv1.ClusterRole{Rules: rules, ObjectMeta: metav1.ObjectMeta{
			Labels: map[string]string{"app": "portcullis", "rbac.authorization.k8s.io/aggregate-to-view": "true"},
		}})
	}
	binding := func(operation admissionregistrationv1.OperationType, subjects ...rbacv1.Subject) request {
		out := bind("portcullis", "portcullis")
		out.Subjects = subjects
		return write("clusterrolebindings", operation, "portcullis", out)
	}
	defining := func(operation admissionregistrationv1.OperationType, conversion string) request {
		spec := map[string]any{"group": Group}
		if conversion != "" {
			spec["conversion"] = map[string]any{"strategy": conversion}
		}
		return request{
			Resource: Resource{"apiextensions.k8s.io", "customresourcedefinitions", ""}, operation: operation, name: "policies." + Group, user: "alice",
			object: &unstructured.Unstructured{Object: map[string]any{"spec": spec}},
		}
	}
	we := rbacv1.Subject{Kind: "ServiceAccount", Name: "portcullis", Namespace: "guard"}
	everybody := rbacv1.Subject{Kind: "Group", APIGroup: rbacGroup, Name: "system:unauthenticated"}
	repaired := binding(update, we)
	repaired.before = binding(update, we, everybody).object
	widened := binding(update, we, everybody)
	widened.before = repaired.object
	narrowed := write("clusterroles", update, "portcullis", charted(t, "default")["ClusterRole"])
	narrowed.before = granting("*", "*", "*").object
	read := rbacv1.PolicyRule{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"services"}}
	var many []rbacv1.PolicyRule // as much as is bounded
	for range maxRules {
		rule := rbacv1.PolicyRule{Verbs: slices.Repeat([]string{"watch"}, maxRuled)}
		for n := range maxRuled {
			rule.APIGroups = append(rule.APIGroups, fmt.Sprintf("group-%d.example.com", n))
			rule.Resources = append(rule.Resources, fmt.Sprintf("resources-%d-%s", n, strings.Repeat("x", 200)))
		}
		many = append(many, rule)
	}
	labels := map[string]string{}
	for n := range maxLabels + 1 {
		labels[fmt.Sprintf("label-%d", n)] = "x"
	}
	o := testOptions()
	o.Namespace = "guard" // as in the chart's examples
	testAsked(t, o, map[string]row{
		"the chart's role is made":     {write("clusterroles", create, "portcullis", charted(t, "default")["ClusterRole"]), false},
		"the chart's binding is made":  {write("clusterrolebindings", create, "portcullis", charted(t, "default")["ClusterRoleBinding"]), false},
		"the chart's owner is made":    {write("clusterroles", create, "portcullis-owner", charted(t, "default")["owner"]), false},
		"the chart's role is repaired": {narrowed, false},
		"the chart's role is deleted":  {request{Resource: Resource{rbacGroup, "clusterroles", ""}, operation: remove, name: "portcullis", user: "alice", before: narrowed.object}, true},
		"the chart's owner is deleted": {request{Resource: Resource{rbacGroup, "clusterroles", ""}, operation: remove, name: "portcullis-owner", user: "alice", before: &rbacv1.ClusterRole{}}, true},
		"our binding is deleted":       {request{Resource: Resource{rbacGroup, "clusterrolebindings", ""}, operation: remove, name: "portcullis", user: "alice", before: repaired.object}, true},
		"our kind is deleted":          {defining(remove, ""), true},
		"our kind is made":             {defining(create, "None"), false},
		"our kind is changed":          {defining(update, ""), false},
		"our kind is converted":        {defining(update, "Webhook"), true},
		"our role reads Services":      {role(read), false},
		"our role is empty":            {write("clusterroles", update, "portcullis", &rbacv1.ClusterRole{}), false},
		"our role has many rules":      {write("clusterroles", update, "portcullis", &rbacv1.ClusterRole{Rules: many}), false},
		"our role has too many rules":  {write("clusterroles", update, "portcullis", &rbacv1.ClusterRole{Rules: append(slices.Clone(many), read)}), true},
		"our role has too many labels": {write("clusterroles", update, "portcullis", &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Labels: labels}}), true},

		"our role lists Secrets":           {granting("list", "", "secrets"), true},
		"our role reads everything":        {granting("get", "", "*"), true},
		"our role reads every group":       {granting("get", "*", "pods"), true},
		"our role runs programs":           {granting("get", "", "pods/exec"), true},
		"our role runs all programs":       {granting("get", "", "*/exec"), true},
		"our role does everything":         {granting("*", "", "pods"), true},
		"our role makes Pods":              {granting("create", "", "pods"), true},
		"our role binds":                   {granting("bind", rbacGroup, "clusterroles"), true},
		"our role escalates":               {granting("escalate", rbacGroup, "clusterroles"), true},
		"our role acts as others":          {granting("impersonate", "", "users"), true},
		"our role writes policies":         {role(rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{Group}, Resources: []string{"policies"}}), true},
		"our role does all to statuses":    {role(rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{Group}, Resources: []string{"policies/status"}}), true},
		"our role writes other webhooks":   {role(rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{admissionregistrationv1.GroupName}, Resources: []string{"validatingwebhookconfigurations"}, ResourceNames: []string{"portcullis", "x"}}), true},
		"our role writes all webhooks":     {role(rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{admissionregistrationv1.GroupName}, Resources: []string{"validatingwebhookconfigurations"}}), true},
		"our role writes constraints":      {role(rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{"constraints.gatekeeper.sh"}, Resources: []string{"*"}}), true},
		"our role writes other statuses":   {role(rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{"apps"}, Resources: []string{"*/status"}}), true},
		"our role writes reports":          {reporting("create", "openreports.io"), false},
		"our role writes others' reports":  {reporting("create", "example.com"), true},
		"our role updates reports":         {reporting("update", "openreports.io"), true},
		"our role deletes definitions":     {granting("delete", "apiextensions.k8s.io", "customresourcedefinitions"), true},
		"our role reads the metrics":       {role(rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}}), true},
		"our role grants nothing sensible": {role(rbacv1.PolicyRule{}), true},
		"our role is part of view":         {labelled("portcullis", read), true},
		"our role is made of others": {write("clusterroles", update, "portcullis", &rbacv1.ClusterRole{AggregationRule: &rbacv1.AggregationRule{
			ClusterRoleSelectors: []metav1.LabelSelector{{}},
		}}), true},
		"our owner grants":             {write("clusterroles", update, "portcullis-owner", &rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{read}}), true},
		"our owner is part of view":    {labelled("portcullis-owner"), true},
		"another owner":                {write("clusterroles", create, "other-owner", &rbacv1.ClusterRole{}), true},
		"our role is given to us":      {binding(create, we), false},
		"our role is given to nobody":  {binding(create), false},
		"our binding is repaired":      {repaired, false},
		"our role is given to all":     {widened, true},
		"our role is made theirs":      {binding(create, everybody), true},
		"our role is given to a user":  {binding(create, rbacv1.Subject{Kind: "User", Name: "portcullis", Namespace: "guard"}), true},
		"to another account of ours":   {binding(create, we, rbacv1.Subject{Kind: "ServiceAccount", Name: "default", Namespace: "guard"}), true},
		"to our namesake":              {binding(create, we, rbacv1.Subject{Kind: "ServiceAccount", Name: "portcullis", Namespace: "default"}), true},
		"to an account of no place":    {binding(create, rbacv1.Subject{Kind: "ServiceAccount", Name: "portcullis"}), true},
		"to us, more than often":       {binding(create, slices.Repeat([]rbacv1.Subject{we}, maxSubjects+1)...), true},
		"to us, who are called others": {write("clusterrolebindings", create, "portcullis", bind("portcullis", "view")), true},
	})
	o.ServiceAccount = "gate"
	testAsked(t, o, map[string]row{
		"our role is given to us who have a name of our own": {binding(create, rbacv1.Subject{Kind: "ServiceAccount", Name: "gate", Namespace: "guard"}), false},
		"our role is given to our namesake":                  {binding(create, we), true},
	})
}

// What the gate takes for spared is spared.
func TestTheGateKnowsWhatIsSpared(t *testing.T) {
	files, err := filepath.Glob("../../policies/sentinel/reviews/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sentinel struct {
			Spared bool
			Review struct{ Request admissionv1.AdmissionRequest }
		}
		if err := yaml.Unmarshal([]byte(strings.NewReplacer("${NAMESPACE}", "guard", "${NAME}", "portcullis").Replace(string(text))), &sentinel); err != nil {
			t.Fatal(err)
		}
		if !sentinel.Spared {
			continue
		}
		var object unstructured.Unstructured
		if err := yaml.Unmarshal(sentinel.Review.Request.Object.Raw, &object.Object); err != nil {
			t.Fatal(err)
		}
		r := sentinel.Review.Request
		rows[file] = row{request{
			Resource: Resource{r.Resource.Group, r.Resource.Resource, ""}, operation: admissionregistrationv1.OperationType(r.Operation),
			name: r.Name, user: r.UserInfo.Username, groups: r.UserInfo.Groups, object: &object,
		}, false}
	}
	if len(rows) != 3 {
		t.Errorf("there are %d", len(rows))
	}
	o := testOptions()
	o.Namespace = "guard"
	testAsked(t, o, rows)
}

// charted are the ClusterRole, the owner and the ClusterRoleBinding that the chart makes in one of its examples, which is in the namespace guard.
func charted(t testing.TB, example string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "test", "chart", "testdata", example+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var head unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &head.Object); err != nil {
			t.Fatal(err)
		}
		var into any
		switch head.GetKind() {
		case "ClusterRole":
			into = &rbacv1.ClusterRole{}
		case "ClusterRoleBinding":
			into = &rbacv1.ClusterRoleBinding{}
		default:
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Fatal(err)
		}
		kind := head.GetKind()
		if strings.HasSuffix(head.GetName(), ownerSuffix) {
			kind = "owner"
		}
		out[kind] = into
	}
	return out
}
