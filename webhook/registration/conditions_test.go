package registration

import (
	"fmt"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// row is a request and whether the API server asks about it.
type row struct {
	request
	asked bool
}

// requests are those by which a cluster lives, and those which are just like them but must be judged.
func requests() map[string]row {
	on := func(group, resource, subresource string, operation admissionregistrationv1.OperationType) request {
		return request{Resource: Resource{group, resource, subresource}, operation: operation, name: "x", user: "alice", groups: []string{"dev"}}
	}
	in := func(namespace string, r request) request {
		r.namespace = namespace
		return r
	}
	by := func(user string, r request, groups ...string) request {
		r.user, r.groups = user, groups
		return r
	}
	named := func(name string, r request) request {
		r.name = name
		return r
	}
	crd := func(operation admissionregistrationv1.OperationType) request {
		return on("apiextensions.k8s.io", "customresourcedefinitions", "", operation)
	}
	binding := func(role string, operation admissionregistrationv1.OperationType) request {
		r := on("rbac.authorization.k8s.io", "clusterrolebindings", "", operation)
		r.object = bind("x", role)
		return r
	}
	controller := func(name string, r request) request {
		return by("system:serviceaccount:kube-system:"+name, r, "system:serviceaccounts", "system:serviceaccounts:kube-system")
	}
	kubelet := func(r request) request { return by("system:node:n1", r, "system:nodes", "system:authenticated") }
	return map[string]row{
		"a Pod is made":                            {in("default", on("", "pods", "", create)), true},
		"a Pod is changed":                         {in("default", on("", "pods", "", update)), true},
		"a Pod is deleted":                         {in("default", on("", "pods", "", remove)), true},
		"a Pod is entered":                         {in("default", on("", "pods", "exec", connect)), true},
		"a Pod without a name":                     {in("default", named("", on("", "pods", "", create))), true},
		"a Pod in our namespace":                   {in("portcullis-system", on("", "pods", "", create)), false},
		"a Pod in our namespace is deleted":        {in("portcullis-system", on("", "pods", "", remove)), false},
		"a Pod of ours is entered":                 {in("portcullis-system", on("", "pods", "exec", connect)), false},
		"a Pod in kube-system":                     {in("kube-system", on("", "pods", "", create)), false},
		"a Pod in kube-public":                     {in("kube-public", on("", "pods", "", create)), false},
		"a Pod in a namespace like ours":           {in("portcullis-system-2", on("", "pods", "", create)), true},
		"a Pod of no user":                         {in("default", by("", on("", "pods", "", create))), true},
		"a Namespace":                              {in("x", on("", "namespaces", "", create)), true},
		"our Namespace":                            {in("portcullis-system", named("portcullis-system", on("", "namespaces", "", update))), false},
		"our Namespace is deleted":                 {in("portcullis-system", named("portcullis-system", on("", "namespaces", "", remove))), false},
		"a cluster role":                           {on("rbac.authorization.k8s.io", "clusterroles", "", create), true},
		"a cluster role is deleted":                {on("rbac.authorization.k8s.io", "clusterroles", "", remove), true},
		"a cluster role of the API server":         {by("system:apiserver", on("rbac.authorization.k8s.io", "clusterroles", "", update), "system:masters"), false},
		"a cluster role of its namesake":           {by("system:apiserver-2", on("rbac.authorization.k8s.io", "clusterroles", "", update)), true},
		"our role":                                 {named("portcullis", on("rbac.authorization.k8s.io", "clusterroles", "", update)), false},
		"our role is deleted":                      {named("portcullis", on("rbac.authorization.k8s.io", "clusterroles", "", remove)), true},
		"a role yet to be named":                   {named("", on("rbac.authorization.k8s.io", "clusterroles", "", create)), true},
		"a role in a namespace by our name":        {in("default", named("portcullis", on("rbac.authorization.k8s.io", "roles", "", create))), true},
		"a kind called clusterroles by our name":   {named("portcullis", on("example.com", "clusterroles", "", create)), true},
		"the binding of our role is made":          {named("portcullis", binding("portcullis", create)), false},
		"the binding of our role is changed":       {named("portcullis", binding("portcullis", update)), false},
		"the binding of our role is deleted":       {named("portcullis", on("rbac.authorization.k8s.io", "clusterrolebindings", "", remove)), true},
		"another role is bound by our name":        {named("portcullis", binding("cluster-admin", create)), true},
		"our role is bound by another name":        {named("x", binding("portcullis", create)), true},
		"no role is bound by our name":             {named("portcullis", on("rbac.authorization.k8s.io", "clusterrolebindings", "", create)), true},
		"the kind of policies":                     {named("policies.portcullis.dev", crd(update)), false},
		"the kind of policies is deleted":          {named("policies.portcullis.dev", crd(remove)), true},
		"the kind of exceptions":                   {named("policyexceptions.portcullis.dev", crd(create)), false},
		"the status of our kind":                   {named("policies.portcullis.dev", on("apiextensions.k8s.io", "customresourcedefinitions", "status", update)), false},
		"another kind":                             {named("policies.example.com", crd(create)), true},
		"something of ours":                        {in("default", by("system:serviceaccount:portcullis-system:portcullis", on("", "configmaps", "", create))), false},
		"something of our namesake":                {in("default", by("system:serviceaccount:other:portcullis", on("", "configmaps", "", create))), true},
		"a node":                                   {on("", "nodes", "", create), false},
		"a node is deleted":                        {on("", "nodes", "", remove), false},
		"a node's status":                          {on("", "nodes", "status", update), false},
		"a node is called":                         {on("", "nodes", "proxy", connect), false},
		"a kind called nodes":                      {on("metrics.example.com", "nodes", "", create), true},
		"a lease":                                  {in("default", on("coordination.k8s.io", "leases", "", update)), false},
		"a lease of a node":                        {in("kube-node-lease", on("coordination.k8s.io", "leases", "", update)), false},
		"a kind called leases":                     {in("default", on("example.com", "leases", "", update)), true},
		"an event":                                 {in("default", on("", "events", "", create)), false},
		"an event of the new group":                {in("default", on("events.k8s.io", "events", "", update)), false},
		"a certificate is asked for":               {on("certificates.k8s.io", "certificatesigningrequests", "", create), false},
		"a certificate is approved":                {on("certificates.k8s.io", "certificatesigningrequests", "approval", update), false},
		"trust is published":                       {on("certificates.k8s.io", "clustertrustbundles", "", create), true},
		"a token is reviewed":                      {on("authentication.k8s.io", "tokenreviews", "", create), false},
		"a permission is asked for":                {on("authorization.k8s.io", "subjectaccessreviews", "", create), false},
		"a permission in a namespace is asked for": {in("default", on("authorization.k8s.io", "localsubjectaccessreviews", "", create)), false},
		"a policy":                                 {on("portcullis.dev", "policies", "", update), false},
		"a policy's status":                        {on("portcullis.dev", "policies", "status", update), false},
		"an exception":                             {in("default", on("portcullis.dev", "policyexceptions", "", create)), false},
		"a kubelet reports on a Pod":               {in("default", kubelet(on("", "pods", "status", update))), false},
		"a kubelet ends a Pod":                     {in("default", kubelet(on("", "pods", "", remove))), false},
		"a kubelet gets a token":                   {in("default", kubelet(on("", "serviceaccounts", "token", create))), false},
		"a kubelet joins":                          {kubelet(on("storage.k8s.io", "csinodes", "", create)), false},
		"a kubelet makes a Pod":                    {in("default", kubelet(on("", "pods", "", create))), true},
		"a kubelet makes a kind called pods":       {in("default", kubelet(on("example.com", "pods", "", create))), false},
		"somebody else gets a token":               {in("default", on("", "serviceaccounts", "token", create)), true},

		"a webhook configuration":              {on("admissionregistration.k8s.io", "validatingwebhookconfigurations", "", create), false},
		"a webhook configuration is deleted":   {on("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", remove), false},
		"an admission policy":                  {on("admissionregistration.k8s.io", "validatingadmissionpolicies", "", update), false},
		"a kind called webhook configurations": {on("example.com", "validatingwebhookconfigurations", "", create), true},

		"the account of a new namespace":            {in("new", named("default", controller("service-account-controller", on("", "serviceaccounts", "", create)))), false},
		"it is made by all controllers' one user":   {in("new", named("default", by("system:kube-controller-manager", on("", "serviceaccounts", "", create)))), false},
		"it is made by somebody":                    {in("new", named("default", on("", "serviceaccounts", "", create))), true},
		"it is made by another controller":          {in("new", named("default", controller("replicaset-controller", on("", "serviceaccounts", "", create)))), true},
		"it is made by a controller's namesake":     {in("new", named("default", by("system:serviceaccount:default:service-account-controller", on("", "serviceaccounts", "", create)))), true},
		"another account of a new namespace":        {in("new", controller("service-account-controller", on("", "serviceaccounts", "", create))), true},
		"an account yet to be named":                {in("new", named("", controller("service-account-controller", on("", "serviceaccounts", "", create)))), true},
		"a token of the account":                    {in("new", named("default", controller("service-account-controller", on("", "serviceaccounts", "token", create)))), true},
		"something else by the name of the account": {in("new", named("default", controller("service-account-controller", on("", "configmaps", "", create)))), true},
		"the authorities of a new namespace":        {in("new", named("kube-root-ca.crt", controller("root-ca-cert-publisher", on("", "configmaps", "", create)))), false},
		"they are mended":                           {in("new", named("kube-root-ca.crt", controller("root-ca-cert-publisher", on("", "configmaps", "", update)))), false},
		"they are changed by somebody":              {in("new", named("kube-root-ca.crt", on("", "configmaps", "", update))), true},
		"the role admin is made of others":          {named("admin", controller("clusterrole-aggregation-controller", on("rbac.authorization.k8s.io", "clusterroles", "", update))), false},
		"somebody's role is made of others":         {controller("clusterrole-aggregation-controller", on("rbac.authorization.k8s.io", "clusterroles", "", update)), true},
		"the role admin is changed by somebody":     {named("admin", on("rbac.authorization.k8s.io", "clusterroles", "", update)), true},
		"a role in a namespace called admin":        {in("new", named("admin", controller("clusterrole-aggregation-controller", on("rbac.authorization.k8s.io", "roles", "", update)))), true},
		"the trust in the API server":               {named("kubernetes.io:kube-apiserver-serving:abc", controller("kube-apiserver-serving-clustertrustbundle-publisher", on("certificates.k8s.io", "clustertrustbundles", "", create))), false},
		"trust in others":                           {named("example.com:x:abc", controller("kube-apiserver-serving-clustertrustbundle-publisher", on("certificates.k8s.io", "clustertrustbundles", "", create))), true},
		"the addresses of services":                 {named("kubernetes", controller("service-cidrs-controller", on("networking.k8s.io", "servicecidrs", "", update))), false},
		"the addresses of services are found good":  {named("kubernetes", controller("service-cidrs-controller", on("networking.k8s.io", "servicecidrs", "status", update))), false},
		"more addresses of services":                {controller("service-cidrs-controller", on("networking.k8s.io", "servicecidrs", "", update)), true},
		"a Pod by all controllers' one user":        {in("default", by("system:kube-controller-manager", on("", "pods", "", create))), true},
		"a Pod by the controller of a Deployment":   {in("default", controller("replicaset-controller", on("", "pods", "", create))), true},
		"a Pod called default by all controllers":   {in("default", named("default", by("system:kube-controller-manager", on("", "pods", "", create)))), true},
		"a Pod by somebody who owns the cluster":    {in("default", by("kubernetes-admin", on("", "pods", "", create), "system:masters")), true},
	}
}

// Everything is registered; what is asked all the same is decided by the exclusions alone.
func TestWhatIsNeverAskedAbout(t *testing.T) {
	testAsked(t, testOptions(), requests())
}

func testAsked(t *testing.T, o Options, rows map[string]row) {
	t.Helper()
	c := Plan([]Interest{{Phase: Validate, Fail: true}, {Phase: Mutate, Fail: true}}, o)
	for _, phase := range []Phase{Validate, Mutate} {
		whole := judges(t, phase, c)[enforceName(phase)]
		var alone []*judge
		for _, condition := range whole.hook.MatchConditions {
			hook := whole.hook
			hook.MatchConditions = []admissionregistrationv1.MatchCondition{condition}
			alone = append(alone, newJudge(t, hook))
		}
		for name, row := range rows {
			want := row.asked && (phase != Mutate || row.operation != remove)
			if got := whole.asks(t, row.request); got != want {
				t.Errorf("%s: %s: asked %t, want %t", phase, name, got, want)
			}
			for _, a := range alone { // each has a value by itself, or asks fails the test
				a.asks(t, row.request)
			}
		}
	}
}

// With named namespaces, and as many of them as one condition takes.
func TestInNamespaces(t *testing.T) {
	var many []string
	for n := range maxGlobs - 4 {
		many = append(many, fmt.Sprintf("ns-%03d-*", n))
	}
	globs := append(many, "exact", "*-end", "*within*", `a"\odd`)
	c := Plan([]Interest{{Phase: Validate, Namespaces: globs, Fail: true}}, testOptions())
	judge := judges(t, Validate, c)[enforceName(Validate)]
	pod := Resource{"", "pods", ""}
	for _, row := range []struct {
		request
		asked bool
	}{
		{request{Resource: pod, operation: create, namespace: "exact"}, true},
		{request{Resource: pod, operation: create, namespace: "exactly"}, false},
		{request{Resource: pod, operation: remove, namespace: "ns-195-x"}, true},
		{request{Resource: pod, operation: remove, namespace: "ns-195"}, false},
		{request{Resource: pod, operation: connect, namespace: "the-end"}, true},
		{request{Resource: pod, operation: create, namespace: "not-within-it"}, true},
		{request{Resource: pod, operation: create, namespace: "default"}, false},
		{request{Resource: Resource{"", "namespaces", ""}, operation: create, namespace: "exact", name: "exact"}, true},
		{request{Resource: Resource{"", "namespaces", ""}, operation: create, name: "exact"}, true},
		{request{Resource: Resource{"", "namespaces", ""}, operation: remove, namespace: "other", name: "other"}, false},
		{request{Resource: Resource{"", "namespaces", ""}, operation: create}, false}, // its name is yet to be made up
		{request{Resource: Resource{"", "persistentvolumes", ""}, operation: create, name: "exact"}, false},
	} {
		if got := judge.asks(t, row.request); got != row.asked {
			t.Errorf("%+v: asked %t, want %t", row.request, got, row.asked)
		}
	}
	globs = append(globs, "one-more")
	c = Plan([]Interest{{Phase: Validate, Namespaces: globs, Fail: true}}, testOptions())
	if !judges(t, Validate, c)[enforceName(Validate)].asks(t, request{Resource: pod, operation: create, namespace: "default"}) {
		t.Error("more namespaces than a condition takes, and still it narrows")
	}
}
