package library

import (
	"slices"
	"strings"
	"testing"
)

// A parameter that can never match is refused when the policy is loaded, and the message says what was meant.
func TestParametersThatNeverMatchAreRefused(t *testing.T) {
	grant := func(member, value string) string {
		grant := map[string]string{"user": "anna", "until": `"2099-12-31T18:00:00Z"`, "verbs": "[get]", "resources": "[pods]", "namespaces": "[shop]", "reason": "a reason"}
		grant[member] = value
		var members []string
		for name, value := range grant {
			members = append(members, name+": "+value)
		}
		return "{grants: [{" + strings.Join(members, ", ") + "}]}"
	}
	object := func(resource string) string { return "{objects: [{resource: " + resource + `, names: ["*"]}]}` }
	const protected, glass = "access.protected_objects", "access.break_glass"
	for _, c := range []struct{ use, parameters, want string }{
		{protected, object("statefulsets.apps"), ""},
		{protected, object("namespaces/finalize"), ""},
		{protected, object("rollouts.argoproj.io"), ""},
		{protected, object("events"), ""},
		{protected, object("users"), ""},
		{protected, object("statefulsets"), `objects.0.resource: "statefulsets" needs its group; did you mean "statefulsets.apps"?`},
		{protected, object("statefulsets/scale"), `objects.0.resource: "statefulsets/scale" needs its group; did you mean "statefulsets.apps/scale"?`},
		{protected, object("secrets.core"), `objects.0.resource: "secrets.core" is written without a group; did you mean "secrets"?`},
		{protected, object("Secret"), `objects.0.resource: "Secret" is not a resource built into Kubernetes; did you mean "secrets"?`},
		{protected, object("deployment"), `objects.0.resource: "deployment" is not a resource built into Kubernetes; did you mean "deployments.apps"?`},
		{protected, object("workloads"), `objects.0.resource: "workloads" is more than one resource; name each, as "deployments.apps"`},
		{protected, object(`"*"`), `objects.0.resource: "*" is not a resource; name each by itself, as "deployments.apps"`},
		{protected, object("rollouts"), `objects.0.resource: "rollouts" is not a resource built into Kubernetes; if it is a custom resource, write it with its group, "rollouts.example.com"`},
		{protected, object("pods/evict"), `objects.0.resource: "pods/evict" is not a subresource built into Kubernetes; those of pods are attach, binding, ephemeralcontainers, eviction, exec, finalizers, log, portforward, proxy, resize and status`},
		{glass, strings.NewReplacer("user: anna, ", "", ", user: anna", "").Replace(grant("reason", "a")), "grants.0: give user or group"},
		{glass, grant("group", "b"), "grants.0: give user or group, and not more than one of them"},
		{
			"access.on_call", `{namespaces: [a], shifts: [{name: a, days: [Monday], from: "00:00", to: "24:00"}]}`,
			"shifts.0: give users or groups",
		},
		{glass, grant("verbs", `["*", impersonate, approve]`), ""},
		{glass, grant("verbs", "[GET]"), `grants.0.verbs.0: "GET" is no verb of Kubernetes; did you mean get?`},
		{glass, grant("verbs", "[lst]"), `grants.0.verbs.0: "lst" is no verb of Kubernetes; did you mean list?`},
		{glass, grant("verbs", `["get,list"]`), `grants.0.verbs.0: "get,list" is no verb; name each by itself, in lower case, as get or create`},
		{glass, grant("resources", `["*", pods/exec]`), ""},
		{glass, grant("resources", "[Pod]"), `grants.0.resources.0: "Pod" is not a resource built into Kubernetes; did you mean "pods"?`},
		{glass, grant("namespaces", `["prod-*", "*"]`), ""},
		{glass, grant("namespaces", "[va_ult]"), `grants.0.namespaces.0: "va_ult" is no namespace's name, which is lower-case letters, digits and "-"; in a pattern "*" stands for any text`},
		{glass, grant("until", "tomorrow"), `grants.0.until: "tomorrow" is not a time; write one as "2030-12-31T18:00:00Z"`},
		{"access.sealed_namespaces", "{namespaces: [va_ult]}", `namespaces.0: "va_ult" is no namespace's name, which is lower-case letters, digits and "-"; patterns are not for this parameter`},
		{"access.sealed_namespaces", `{namespaces: ["prod-*"]}`, `namespaces.0: "prod-*" is no namespace's name, which is lower-case letters, digits and "-"; patterns are not for this parameter`},
		{"access.on_call", `{namespaces: [a], timeZone: Europe/Berlim, shifts: [{name: a, users: [a], days: [Monday], from: "00:00", to: "24:00"}]}`, `timeZone: "Europe/Berlim" is not a time zone; write UTC, or one as Europe/Berlin`},
		{"access.business_hours", `{namespaces: [a], from: "18:00", to: "08:00"}`, ""},
		{
			"access.business_hours", `{namespaces: [a], closed: [{from: "2030-12-20T16:00:00Z", until: "2030-01-07T08:00:00Z", reason: a}]}`,
			`closed.0: it ends 2030-01-07T08:00:00Z, before it begins; let until be later than from, which is 2030-12-20T16:00:00Z`,
		},
		{"metadata.immutable_field", `{fields: [spec.selector, metadata.labels.tier, [metadata, labels, app.kubernetes.io/name], spec.template.spec.containers.0.image]}`, ""},
		{"metadata.immutable_field", "{fields: [spec.selctor]}", `fields.0: spec.selctor: there is no field "selctor" in CronJob's spec, DaemonSet's spec, Deployment's spec or 7 others; did you mean "selector"?`},
		{"metadata.immutable_field", "{fields: [[spec, selctor]]}", `fields.0: spec.selctor: there is no field "selctor" in CronJob's spec, DaemonSet's spec, Deployment's spec or 7 others; did you mean "selector"?`},
		{"metadata.immutable_field", "{fields: [spec..selector]}", `fields.0: "spec..selector" has an empty segment; write names of members with dots between them, as spec.type`},
		{"metadata.required_labels", "{labels: [{key: te am}]}", `labels.0.key: "te am" is not the key of a label, which is a name as "team", or one behind a domain and a slash as "example.com/team"`},
		{"metadata.required_annotations", "{annotations: [{key: a/b/c}]}", `annotations.0.key: "a/b/c" is not the key of an annotation, which is a name as "team", or one behind a domain and a slash as "example.com/team"`},
		{"pods.no_exec_labelled", `{labels: {a: "*"}}`, ""},
		{"pods.no_exec_labelled", `{labels: {a: "b c"}}`, `labels.a: "b c" is not the value of a label, which is at most 63 letters, digits, "-", "_" and ".", and begins and ends with a letter or digit`},
		{"pods.no_exec_labelled", `{labels: {"a b": "c"}}`, `labels: "a b" is not the key of a label, which is a name as "team", or one behind a domain and a slash as "example.com/team"`},
		{"resources.limits_required", "{maximum: {memory: 1Gib}}", `maximum.memory: "1Gib" is not a quantity; write one as 500m or 1.5Gi`},
		{"services.external_ips", "{allowed: [999.1.1.1/8]}", `allowed.0: "999.1.1.1/8" is not a block of addresses; write one as 203.0.113.0/28 or 2001:db8::/32`},
		{"pods.privileged", "{podTemplates: {rollouts: spec.template}}", `podTemplates: "rollouts" is not a resource built into Kubernetes; if it is a custom resource, write it with its group, "rollouts.example.com"`},
	} {
		want := c.want
		if want != "" {
			want = "p.yaml:4: Policy p: parameters." + want
		}
		_, faults := load(t, c.use, c.parameters)
		if got := faults.Error(); got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.use, c.parameters, got, want)
		}
	}
}

// What has ended is valid, for it was right once, and is said.
func TestWhatHasEndedIsSaid(t *testing.T) {
	for use, c := range map[string]struct{ parameters, want string }{
		"access.break_glass": {
			`{grants: [{user: a, until: "2020-01-01T00:00:00Z", verbs: [get], resources: [pods], namespaces: [a], reason: a}]}`,
			"p.yaml:4: Policy p: parameters.grants.0.until: 2020-01-01T00:00:00Z is past, and what ends then has ended; take it away, or give it a later time",
		},
		"access.business_hours": {
			`{namespaces: [a], closed: [{from: "2099-01-01T00:00:00Z", until: "2099-01-02T00:00:00Z", reason: a}, {from: "2019-01-01T00:00:00Z", until: "2020-01-01T00:00:00Z", reason: a}]}`,
			"p.yaml:4: Policy p: parameters.closed.1.until: 2020-01-01T00:00:00Z is past, and what ends then has ended; take it away, or give it a later time",
		},
	} {
		specs, faults := load(t, use, c.parameters)
		if len(faults) > 0 || len(specs) != 1 || !slices.Equal(specs[0].Notes, []string{c.want}) {
			t.Errorf("%s: %v %v", use, specs, faults)
		}
	}
}

// formatsOf are the formats that parameters of these names have, wherever they are.
var formatsOf = map[string][]string{
	"resource": {"resource"}, "resources": {"resource"}, "verbs": {"verb"},
	"namespaces": {"namespace", "namespace-glob"}, "exemptNamespaces": {"namespace", "namespace-glob"},
	"timeZone": {"time-zone"}, "until": {"deadline"}, "annotation": {"annotation-key"}, "userAnnotation": {"annotation-key"}, "groupAnnotation": {"annotation-key"},
	"label": {"label-key"}, "topologyKey": {"label-key"}, "topologyKeys": {"label-key"}, "pattern": {"regex"}, "patterns": {"regex"},
	"fields": {"field-path"}, "podTemplates": {"resource"}, "injectors": {"annotation-key"},
}

// A parameter that is named as another one is held to the same format.
func TestParametersOfTheSameNameHaveTheSameFormat(t *testing.T) {
	found := map[string]bool{}
	var look func(where, name string, s map[string]any)
	look = func(where, name string, s map[string]any) {
		want, known := formatsOf[name]
		if known && s["enum"] == nil {
			found[name] = true
			if got := formatOf(s); !slices.Contains(want, got) && !enumerated(s) {
				t.Errorf("%s: the parameter %s has the format %q; wants one of %q", where, name, got, want)
			}
		}
		properties, _ := s["properties"].(map[string]any)
		for member, below := range properties {
			look(where, member, below.(map[string]any))
		}
		for _, word := range []string{"items", "additionalProperties"} {
			if below, ok := s[word].(map[string]any); ok && len(properties) == 0 {
				look(where, "", below)
			}
		}
	}
	for _, p := range policies(t) {
		custom, _ := p.annotations.Custom["portcullis"].(map[string]any)
		if schema, ok := custom["parameters"].(map[string]any); ok {
			look(p.name, "", schema)
		}
	}
	for name := range formatsOf {
		if !found[name] {
			t.Errorf("no parameter is called %s", name)
		}
	}
}

// formatOf is the format of a value, of the elements of a list, or of the keys of a map.
func formatOf(s map[string]any) string {
	if format, ok := s["format"].(string); ok {
		return format
	}
	for _, word := range []string{"items", "propertyNames"} {
		if below, ok := s[word].(map[string]any); ok {
			return formatOf(below)
		}
	}
	if several, ok := s["anyOf"].([]any); ok {
		return formatOf(several[0].(map[string]any))
	}
	return ""
}

// enumerated tells whether the elements of a list are of a list of their own.
func enumerated(s map[string]any) bool {
	items, _ := s["items"].(map[string]any)
	return items["enum"] != nil
}
