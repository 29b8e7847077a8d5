package fields

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// resources reads "pods,deployments.apps/scale".
func resources(text string) (out []Resource) {
	for name := range strings.SplitSeq(text, ",") {
		var r Resource
		name, r.Subresource, _ = strings.Cut(name, "/")
		r.Resource, r.Group, _ = strings.Cut(name, ".")
		out = append(out, r)
	}
	return out
}

// helper reads the objects of many kinds; it is not held to those of one policy.
const helper = `package helper

object := input.request.oldObject if input.request.operation == "DELETE"

object := input.request.object if input.request.operation != "DELETE"

spec := spec_at[path]

path := "a" if input.request.kind.kind == "Pod"

path := "b" if input.request.kind.kind != "Pod"

spec_at["a"] := object.spec

spec_at["b"] := object.spec.template.spec

containers := [entry |
	some [field, kind] in [["initContainers", "init container"], ["containers", "container"]]
	some i, container in spec[field]
	entry := {"container": container, "kind": kind, "path": sprintf("%s[%d]", [field, i])}
]

default labels := {}

labels := object.metadata.labels if is_object(object.metadata.labels)

gone := object.spec.never

kept := object.metadata if not object.spec.never

template := declared if {
	input.parameters.podTemplates
	walk(object, [["at"], declared])
}

template := object.spec if input.request.kind.kind == "Pod"

user := info if { info := input.request.userInfo } else := {"username": input.spec.user}
`

// checked holds rules, which begin in row 5 of a.rego, to the fields of resources, or to those of another stage if there are none.
func checked(t *testing.T, of, rules string) string {
	t.Helper()
	modules := map[string]*ast.Module{}
	for name, text := range map[string]string{
		"a.rego": "package a\n\nimport data.helper\nimport input.request.object as o\n" + rules + "\n", "helper.rego": helper,
	} {
		module, err := ast.ParseModule(name, text)
		if err != nil {
			t.Fatal(err)
		}
		modules[name] = module
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	input := Input([]review.Stage{review.Stage(of)}, Type{})
	if _, isStage := map[string]bool{"guard": true, "image": true, "authenticate": true}[of]; !isStage {
		input = Input([]review.Stage{review.Validate, review.Mutate}, Objects(resources(of)))
	}
	if err := errors.Join(Check(compiler, ast.MustParseRef("data.a"), input)...); err != nil {
		return err.Error()
	}
	return ""
}

func TestFieldsThatAreNeverThere(t *testing.T) {
	for _, c := range []struct{ of, rules, want string }{
		{
			"pods", `deny contains "no" if input.request.object.spec.contaners[_].image`,
			`a.rego:5: input.request.object.spec.contaners: there is no field "contaners" in Pod's spec; did you mean "containers"?`,
		},
		{
			"pods", `deny contains "no" if input.request.oldObject.meta.name`,
			`a.rego:5: input.request.oldObject.meta: there is no field "meta" in Pod as of Kubernetes 1.37; one that is newer can be read with object.get`,
		},
		{
			"pods", `deny contains "no" if not o.spec.hostnetwork`,
			`a.rego:5: input.request.object.spec.hostnetwork: there is no field "hostnetwork" in Pod's spec; did you mean "hostNetwork"?`,
		},
		{
			"pods", "deny contains msg if {\n\tsome i, c in o.spec.containers\n\tc.securityContext.privledged\n\tmsg := c.name\n}",
			`a.rego:7: c.securityContext.privledged: there is no field "privledged" in Pod's spec.containers[_].securityContext; did you mean "privileged"?`,
		},
		{
			"pods", `deny contains "no" if input.request.object.spec.containers.image == "x"`,
			`a.rego:5: input.request.object.spec.containers.image: there is no field "image" in Pod's spec.containers, which is a list; did you mean "containers[_].image"?`,
		},
		{
			"pods", `deny contains "no" if input.request.object.spec.containers.images == "x"`,
			`a.rego:5: input.request.object.spec.containers.images: there is no field "images" in Pod's spec.containers, which is a list`,
		},
		{
			"pods", `deny contains "no" if input.request.object.metadata.name.first`,
			`a.rego:5: input.request.object.metadata.name.first: there is no field "first" in Pod's metadata.name, which has none`,
		},
		{
			"pods", `deny contains "no" if input.request.object.metadata.creationTimestamp.seconds`,
			`a.rego:5: input.request.object.metadata.creationTimestamp.seconds: there is no field "seconds" in Pod's metadata.creationTimestamp, which has none`,
		},
		{
			"deployments.apps,statefulsets.apps", `deny contains "no" if input.request.object.spec.replica > 3`,
			`a.rego:5: input.request.object.spec.replica: there is no field "replica" in Deployment's spec or StatefulSet's spec; did you mean "replicas"?`,
		},
		{
			"pods,jobs.batch,deployments.apps,statefulsets.apps,daemonsets.apps", `deny contains "no" if input.request.object.spec.zzz`,
			`a.rego:5: input.request.object.spec.zzz: there is no field "zzz" in DaemonSet's spec, Deployment's spec, Job's spec or 2 others as of Kubernetes 1.37; ` +
				`one that is newer can be read with object.get`,
		},
		{
			"pods", `deny contains "no" if helper.template.hostnetwork`,
			`a.rego:5: data.helper.template.hostnetwork: there is no field "hostnetwork" in Pod's spec; did you mean "hostNetwork"?`,
		},
		{
			"pods/exec", `deny contains "no" if input.request.object.comand`,
			`a.rego:5: input.request.object.comand: there is no field "comand" in PodExecOptions; did you mean "command"?`,
		},
		{
			"pods/eviction", `deny contains "no" if input.request.object.deleteOption`,
			`a.rego:5: input.request.object.deleteOption: there is no field "deleteOption" in Eviction; did you mean "deleteOptions"?`,
		},
		{
			"deployments.apps/scale", `deny contains "no" if input.request.object.spec.replcas > 1`,
			`a.rego:5: input.request.object.spec.replcas: there is no field "replcas" in Scale's spec; did you mean "replicas"?`,
		},
		{
			"deployments.apps/status", `deny contains "no" if input.request.object.status.replcas > 1`,
			`a.rego:5: input.request.object.status.replcas: there is no field "replcas" in Deployment's status; did you mean "replicas"?`,
		},
		{
			"customresourcedefinitions.apiextensions.k8s.io", `deny contains "no" if input.request.object.spec.gruop`,
			`a.rego:5: input.request.object.spec.gruop: there is no field "gruop" in CustomResourceDefinition's spec; did you mean "group"?`,
		},
		{
			"pods", `deny contains "no" if input.request.userInfo.usrname`,
			`a.rego:5: input.request.userInfo.usrname: there is no field "usrname" in input.request.userInfo; did you mean "username"?`,
		},
		{
			"widgets.example.com", `deny contains "no" if input.namespace.metadata.lables`,
			`a.rego:5: input.namespace.metadata.lables: there is no field "lables" in Namespace's metadata; did you mean "labels"?`,
		},
		{
			"guard", `deny contains "no" if input.spec.resourceAttributes.verbs == "get"`,
			`a.rego:5: input.spec.resourceAttributes.verbs: there is no field "verbs" in input.spec.resourceAttributes; did you mean "verb"?`,
		},
		{
			"image", `deny contains "no" if input.spec.containers[_].imge`,
			`a.rego:5: input.spec.containers[_].imge: there is no field "imge" in input.spec.containers[_]; did you mean "image"?`,
		},
		{"authenticate", `user := 1 if input.spec.token.x`, `a.rego:5: input.spec.token.x: there is no field "x" in input.spec.token, which has none`},
		{ // by rules of its own
			"pods", "containers contains c if some c in o.spec.containers\n\ndeny contains \"no\" if {\n\tsome c in containers\n\tc.imge\n}",
			`a.rego:9: c.imge: there is no field "imge" in Pod's spec.containers[_]; did you mean "image"?`,
		},
		{ // by the rules of others, which read other kinds as well
			"pods", `deny contains "no" if helper.object.spec.contaners`,
			`a.rego:5: data.helper.object.spec.contaners: there is no field "contaners" in Pod's spec; did you mean "containers"?`,
		},
		{
			"pods", "deny contains e.path if {\n\tsome e in helper.containers\n\te.container.imge\n}",
			`a.rego:7: e.container.imge: there is no field "imge" in Pod's spec.containers[_] or Pod's spec.initContainers[_]; did you mean "image"?`,
		},
		{"pods", `deny contains "no" if helper.user.nam`, `a.rego:5: data.helper.user.nam: there is no field "nam" in input.request.userInfo as of Kubernetes 1.37; one that is newer can be read with object.get`},
		{
			"pods", `deny contains "no" if helper.kept.nam`,
			`a.rego:5: data.helper.kept.nam: there is no field "nam" in Pod's metadata; did you mean "name"?`,
		},
		{ // in whatever else there is
			"pods", "deny contains {\"message\": \"no\", \"details\": [x | x := o.spec.volumes[_].nme]}",
			`a.rego:5: input.request.object.spec.volumes[_].nme: there is no field "nme" in Pod's spec.volumes[_]; did you mean "name"?`,
		},
		{
			"pods", "deny contains \"no\" if every c in o.spec.containers { c.imge == \"x\" }",
			`a.rego:5: c.imge: there is no field "imge" in Pod's spec.containers[_]; did you mean "image"?`,
		},
		{
			"pods", "deny contains \"no\" if startswith(o.spec.nodename, \"a\")",
			`a.rego:5: input.request.object.spec.nodename: there is no field "nodename" in Pod's spec; did you mean "nodeName"?`,
		},
		{
			"pods", "deny contains \"no\" if {\n\tx := {\"s\": o.spec}\n\tx.s.nodename\n}",
			`a.rego:7: x.s.nodename: there is no field "nodename" in Pod's spec; did you mean "nodeName"?`,
		},
		{
			"pods", "a := 1 if false else := 2 if o.spc",
			`a.rego:5: input.request.object.spc: there is no field "spc" in Pod; did you mean "spec"?`,
		},
		{ // edits
			"pods", `mutate contains {"set": ["spec", "hostnetwork"], "value": false}`,
			`a.rego:5: the edit to set spec.hostnetwork: there is no field "hostnetwork" in Pod's spec; did you mean "hostNetwork"?`,
		},
		{
			"pods", `mutate contains {"default": ["x"], "value": 1}`,
			`a.rego:5: the edit to default x: there is no field "x" in Pod as of Kubernetes 1.37`,
		},
		{
			"pods", "mutate contains edit if {\n\tsome i, c in o.spec.containers\n\tedit := {\"default\": [\"spec\", \"containers\", i, \"imagePullpolicy\"], \"value\": \"Always\"}\n}",
			`a.rego:5: the edit to default spec.containers[].imagePullpolicy: there is no field "imagePullpolicy" in Pod's spec.containers[_]; did you mean "imagePullPolicy"?`,
		},
		{
			"pods", `mutate contains {"append": ["spec", "containers", {"name": "a"}, "enw"], "value": {}, "key": "name"}`,
			`a.rego:5: the edit to append spec.containers[].enw: there is no field "enw" in Pod's spec.containers[_]; did you mean "env"?`,
		},
		{
			"pods", `mutate contains {"remove": ["spec", "containers", "image"]}`,
			`a.rego:5: the edit to remove spec.containers.image: there is no field "image" in Pod's spec.containers, which is a list; did you mean "containers[_].image"?`,
		},
	} {
		if got := checked(t, c.of, c.rules); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.of, c.rules, got, c.want)
		}
	}
}

func TestEachFieldIsToldOfOnceAndAll(t *testing.T) {
	got := checked(t, "pods", "x := o.spce\n\ny contains x if some x in o.spce\n\nz := x")
	want := `a.rego:5: input.request.object.spce: there is no field "spce" in Pod; did you mean "spec"?
a.rego:7: input.request.object.spce: there is no field "spce" in Pod; did you mean "spec"?`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A policy that is right, or of which it cannot be told, is not refused.
func TestWhatIsNotKnownIsNotRefused(t *testing.T) {
	for _, c := range []struct{ of, rules string }{
		{"pods", `deny contains "no" if object.get(o, ["spec", "newer"], 1) == 2`},
		{"pods", `deny contains "no" if object.get(o.spec, "newer", 1) == 2`},
		{"pods", "deny contains k if {\n\tsome k, v in o\n\tv.x\n}"},
		{"pods", "deny contains k if {\n\tsome k, v in o.metadata.labels\n\tv == \"x\"\n}"},
		{"pods", "deny contains \"no\" if {\n\twalk(o, [path, value])\n\tvalue.anything\n}"},
		{"pods", "deny contains \"no\" if {\n\tsome k in [\"a\", \"b\"]\n\to.spec[k].anything\n}"},
		{"pods", "deny contains \"no\" if {\n\tsome k in [\"containers\", \"newContainers\"]\n\to.spec[k][_].anything\n}"},
		{"pods", `deny contains "no" if o.spec[input.parameters.field].anything`},
		{"pods", `deny contains "no" if o.spec.hostNetwork == "true"`},
		{"pods", `deny contains "no" if o.spec.containers != null`},
		{"pods", `deny contains "no" if o == null`},
		{"pods", `deny contains "no" if o.spec.containers[0].ports[_].containerPort < 1024`},
		{"pods", `deny contains "no" if o.spec.containers[_].livenessProbe.httpGet.port == "http"`},
		{"pods", `deny contains "no" if o.spec.containers[_].resources.limits["nvidia.com/gpu"] > 0`},
		{"pods", `deny contains "no" if o.metadata.annotations["a/b"] == "c"`},
		{"pods", `deny contains "no" if o.metadata.managedFields[_].fieldsV1["f:spec"].x.y`},
		{"pods", `deny contains "no" if o.status.containerStatuses[_].state.running.startedAt`},
		{"pods", "deny contains \"no\" if {\n\to.apiVersion == \"v1\"\n\to.kind == \"Pod\"\n}"},
		{"pods", `deny contains "no" if input.request.options.anything.at.all`},
		{"pods", `deny contains "no" if input.request.userInfo.extra["a/b"][_] == "c"`},
		{"pods", `deny contains "no" if input.parameters.a.b.c`},
		{"pods", `deny contains "no" if input.other.b`},
		{"pods", "f(x) := helper.object\n\ndeny contains \"no\" if f(1).anything"},
		{"pods", `deny contains "no" if data.helper[_].spec.x`},
		{"pods", `deny contains "no" if helper.gone.x`},
		{"pods", `deny contains "no" if helper.labels.whatever`},
		{"pods", "f(x) := x.anything\n\ndeny contains \"no\" if f(o).more"},
		{"pods", "deny contains \"no\" if {\n\tx := json.patch(o, [])\n\tx.anything\n}"},
		{"pods", "deny contains \"no\" if {\n\tx := {\"a\": 1}\n\ty := object.union(x, o)\n\ty.anything\n}"},
		{"pods", "test_x if deny with input as {\"request\": {\"object\": {\"anything\": 1}}}\n\ntest_y if o.anything\n\ndeny contains \"no\" if false"},
		{"pods", "inner := o.anything.x\n\ndeny contains \"no\" if inner with input as {\"request\": {\"object\": {}}}"},
		{"pods", "default x := {}\n\nx := o.spec\n\ndeny contains \"no\" if x.nodeName"},
		{"pods", "deny contains \"no\" if {\n\tnot o.spec == {\"a\": 1}\n\tx := [o.spec, input.parameters][_]\n\tx.anything\n}"},
		{"pods", "deny contains \"no\" if {\n\tx := input.parameters.x\n\tnot x = o.spec\n\tx.anything\n}"},
		{"pods,deployments.apps", `deny contains "no" if o.spec.template.spec.nodeName`},
		{"pods,deployments.apps", `deny contains "no" if o.spec.nodeName`},
		{"horizontalpodautoscalers.autoscaling", `deny contains "no" if o.spec.targetCPUUtilizationPercentage > o.spec.metrics[_].resource.target.averageValue`},
		{"pods,widgets.example.com", `deny contains "no" if o.spec.anything`},
		{"pods/log", `deny contains "no" if o.anything`},
		{"deploymentconfigs.apps.openshift.io/scale", `deny contains "no" if o.status.targetSelector`},
		{"widgets.example.com/status", `deny contains "no" if o.anything`},
		{"", `deny contains "no" if o.anything`},
		{"customresourcedefinitions.apiextensions.k8s.io", `deny contains "no" if o.spec.versions[_].schema.openAPIV3Schema.properties.spec.properties.a.default.x`},
		{"guard", `deny contains "no" if input.spec.resourceAttributes.fieldSelector.requirements[_].key == "a"`},
		{"pods", `mutate contains {"set": ["metadata", "labels", "a/b"], "value": "c"}`},
		{"pods", `mutate contains {"set": ["spec", input.parameters.field, "x"], "value": "c"}`},
		{"pods", `mutate contains {"set": array.concat(["spec"], ["newer"]), "value": "c"}`},
		{"widgets.example.com", `mutate contains {"set": ["spec", "anything"], "value": "c"}`},
	} {
		if got := checked(t, c.of, c.rules); got != "" {
			t.Errorf("%s: %s\n got %s", c.of, c.rules, got)
		}
	}
}

func TestTheReleaseIsThatOfTheTypes(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	minor := regexp.MustCompile(`k8s\.io/api v0\.(\d+)\.`).FindSubmatch(text)
	if len(minor) != 2 || Release != "1."+string(minor[1]) {
		t.Errorf("Release is %s, and k8s.io/api %s", Release, minor)
	}
}
