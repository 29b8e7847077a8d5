package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/test/release"
)

// The templates know which policies are in the bundles.
func TestTheChartKnowsTheBundles(t *testing.T) {
	want, err := yaml.Marshal(bundles(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "charts", "portcullis", "files", "library-bundles.yaml")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("files/library-bundles.yaml is not what the library says; run `make chart UPDATE=1`: %v", err)
	}
}

// What a release has in force by the names of bundles is what a server has by the same names.
func TestBundlesOfTheChartAreThoseOfTheServer(t *testing.T) {
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(bundlePattern(t))
	for name := range bundles(t) {
		for _, version := range []string{"", "@latest", "@v1.0", "@v1.18", "@v1.21", "@v1.34", "@v1.99"} {
			want, faults := reader.Use(name + version)
			if known.MatchString(name+version) != (len(faults) == 0) {
				t.Errorf("%s: the schema says %t, and the server %v", name+version, known.MatchString(name+version), faults)
			}
			if len(faults) > 0 {
				continue
			}
			set := []string{`policies.library.bundles=["` + name + version + `"]`}
			text, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: set}.Render(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for key, document := range pods(t, objects(t, text))["Deployment portcullis"].Annotations {
				if !strings.HasPrefix(key, "policies.portcullis.dev/") {
					continue
				}
				specs, faults := reader.Read([]native.File{{Name: "p.yaml", Text: []byte(document)}})
				if len(faults) > 0 || len(specs) != 1 {
					t.Fatalf("%s: %v\n%s", key, faults, document)
				}
				got = append(got, fmt.Sprint(specs[0].Package, specs[0].Parameters))
			}
			var wanted []string
			for _, spec := range want {
				wanted = append(wanted, fmt.Sprint(spec.Package, spec.Parameters))
			}
			slices.Sort(got)
			slices.Sort(wanted)
			if !slices.Equal(got, wanted) {
				t.Errorf("%s: the chart has\n%s\nand a server\n%s", name+version, strings.Join(got, "\n"), strings.Join(wanted, "\n"))
			}
		}
	}
}

// Of a bundle one policy can be told to do less than the others.
func TestAPolicyOfABundleHasASpecOfItsOwn(t *testing.T) {
	set := []string{`policies.library={"bundles":["pss-baseline","best-practice"],"enforcement":"warn","specs":{"pods.privileged":{"enforcement":"audit"}}}`}
	text, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: set}.Render(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	all := pods(t, objects(t, text))["Deployment portcullis"].Annotations
	for name, want := range map[string]string{"pods.privileged": "audit", "pods.host_path": "warn", "images.no_latest_tag": "warn"} {
		if document := all["policies.portcullis.dev/"+name]; !strings.Contains(document, "  enforcement: "+want+"\n") {
			t.Errorf("%s is not to %s:\n%s", name, want, document)
		}
	}
}

func TestSchemaKnowsTheLibrary(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "  \"$defs\": "
	before, _, _ := bytes.Cut(text, []byte(begin))
	var made bytes.Buffer
	encoder := json.NewEncoder(&made)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("  ", "  ")
	if err := encoder.Encode(definitions(t)); err != nil {
		t.Fatal(err)
	}
	want := string(before) + begin + made.String() + "}\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(schemaFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("values.schema.json is not what the METADATA of the library says; run `make chart UPDATE=1`")
	}
}

// The templates know which parameters policies have, and what is asked about by those that are given podTemplates.
func TestTheChartKnowsTheParameters(t *testing.T) {
	type known struct {
		Parameters []string `json:"parameters"`
		Resources  any      `json:"resources,omitempty"` // of one that has podTemplates
	}
	all := map[string]known{}
	for _, name := range library.Names() {
		properties, _ := parameters(t, name)["properties"].(object)
		if len(properties) == 0 {
			continue
		}
		one := known{Parameters: slices.Sorted(maps.Keys(properties))}
		if match, ok := metadata(t, name)["match"].(object); ok && properties["podTemplates"] != nil {
			one.Resources = match["resources"]
		}
		all[name] = one
	}
	want, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "charts", "portcullis", "files", "library-parameters.yaml")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("files/library-parameters.yaml is not what the METADATA of the library says; run `make chart UPDATE=1`: %v", err)
	}
}

// What a release gives the policies of a bundle is what a server gives them by the same file, and what is said of one counts more.
func TestParametersOfTheChartAreThoseOfTheServer(t *testing.T) {
	const given = `{"podTemplates":{"rollouts.argoproj.io":"spec.template"}}`
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	parameters, err := native.ReadLibraryParameters([]byte(given))
	if err != nil {
		t.Fatal(err)
	}
	want, faults := reader.UseWith(parameters, "pss-baseline@v1.30")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	values := `policies.library={"bundles":["pss-baseline@v1.30"],"parameters":` + given + `,"specs":{"pods.privileged":` +
		`{"match":{"resources":["pods"]},"parameters":{"podTemplates":{"jobs.example.com":"spec.job"}}}}}`
	text, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: []string{values}}.Render(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	annotations := pods(t, objects(t, text))["Deployment portcullis"].Annotations
	for _, spec := range want {
		specs, faults := reader.Read([]native.File{{Name: "p.yaml", Text: []byte(annotations["policies.portcullis.dev/"+spec.ID])}})
		if len(faults) > 0 || len(specs) != 1 {
			t.Fatal(spec.ID, faults)
		}
		if got := specs[0]; spec.ID == "pods.privileged" {
			if len(got.Match.Resources) != 3 || !strings.Contains(fmt.Sprint(got.Parameters), "jobs.example.com") {
				t.Errorf("%s is asked about %v with %v", spec.ID, got.Match.Resources, got.Parameters)
			}
		} else if fmt.Sprint(got.Match.Resources, got.Parameters) != fmt.Sprint(spec.Match.Resources, spec.Parameters) {
			t.Errorf("%s is asked about %v with %v,\nby a server about %v with %v", spec.ID, got.Match.Resources, got.Parameters, spec.Match.Resources, spec.Parameters)
		}
	}
	for values, words := range map[string]string{
		`{"names":["pods.no_exec"],"parameters":` + given + `}`:          "policies.library.parameters has podTemplates, which no policy of policies.library.names or policies.library.bundles has",
		`{"names":["pods.privileged"],"parameters":{"version":"v1.30"}}`: "additional properties 'version' not allowed",
	} {
		_, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: []string{"policies.library=" + values}}.Render(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", values, err)
		}
	}
}

// The templates know which kinds of objects the policies of the library read: the server must be allowed to.
func TestTheChartKnowsWhatTheLibraryReads(t *testing.T) {
	reads := object{}
	for _, name := range library.Names() {
		if kinds := metadata(t, name)["data"]; kinds != nil {
			reads[name] = kinds
		}
	}
	want, err := yaml.Marshal(reads)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "charts", "portcullis", "files", "library-data.yaml")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("files/library-data.yaml is not what the METADATA of the library says; run `make chart UPDATE=1`: %v", err)
	}
	given := []string{`policies.library={"names":["ingresses.unique_host"]}`, `rbac.inventory=[{"apiGroup":"networking.k8s.io","resources":["services","ingresses"]}]`}
	if _, err := (release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: given}).Render(t.Context(), true); err != nil {
		t.Error(err)
	}
	off := []string{`policies.library={"names":["ingresses.unique_host"],"specs":{"ingresses.unique_host":{"enforcement":"off"}}}`}
	if _, err := (release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: off}).Render(t.Context(), true); err != nil {
		t.Error(err)
	}
}

// What the schema lets pass, a server must start with, and what it does not it must not.
func TestSchemaIsOfOneMindWithTheServer(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	same := func(name, spec string) {
		t.Helper()
		var given object
		if err := yaml.Unmarshal([]byte(spec), &given); err != nil {
			t.Fatal(err)
		}
		values := object{"names": []any{name}, "specs": object{name: given}}
		if given == nil {
			delete(values, "specs")
			values["specs"] = object{} // as values.yaml has it
		}
		refused := schema.Validate(object{"policies": object{"library": values}})
		document := object{"use": name}
		maps.Copy(document, given)
		text, err := yaml.Marshal(object{"apiVersion": "portcullis.dev/v1alpha1", "kind": "Policy", "metadata": object{"name": "p"}, "spec": document})
		if err != nil {
			t.Fatal(err)
		}
		if _, faults := reader.Read([]native.File{{Name: "p.yaml", Text: text}}); (len(faults) > 0) != (refused != nil) {
			t.Errorf("%s with %q: the schema says %v, and the server %v", name, spec, refused, faults)
		}
	}
	for _, name := range library.Names() {
		for _, spec := range []string{
			"", "{}", "{parameters: {}}", "{parameters: {exemptImage: [x]}}", "{parameters: {registries: []}}", "{parameters: 1}", "{match: {namespace: [a]}}",
			"{match: {namespaceLabels: {matchLabel: {a: b}}}}", "{enforcement: block}", "{onError: ignore}", "{other: 1}",
		} {
			same(name, spec)
		}
		given := parameters(t, name)
		examples, _ := given["examples"].([]any)
		for _, example := range examples {
			text, err := yaml.Marshal(object{"parameters": example})
			if err != nil {
				t.Fatal(err)
			}
			same(name, string(text))
		}
	}
	same("pods.privileged", "{match: {stage: admission, namespaces: [a], labels: {matchLabels: {a: b}}}}")
	same("pods.privileged", "{match: {stage: [admission], excludeNamespaces: [a]}}")
	for _, match := range []string{
		"namespaces: ['a*']", "namespaces: ['*a*']", "namespaces: ['*']", "namespaces: ['a*b']", "namespaces: ['']", "namespaces: [A]",
		"excludeNamespaces: ['*-a']", "excludeNamespaces: ['a*b']", "excludeNamespaces: [a.b]",
		"resources: [pods]", "resources: ['*']", "resources: ['*/*']", "resources: ['apps/*']", "resources: [pods/resize]", "resources: [pairs.example.com]",
		"resources: [Pods]", "resources: ['']", "resources: ['pods/']", "resources: ['pods, services']", "resources: ['*/scale']", "resources: ['*.apps']",
		"changes: []", "changes: [pods]", "changes: [spec.containers.image]", "changes: ['']", "changes: ['spec.containers[*].image']",
		"labels: {matchExpressions: [{key: a, operator: Exists}]}", "labels: {matchExpressions: [{key: a, operator: exists}]}",
		"namespaceLabels: {matchExpressions: [{key: a, operator: In, values: [b]}]}", "namespaceLabels: {matchExpressions: [{key: a, operator: Equals, values: [b]}]}",
	} {
		same("pods.privileged", "{match: {"+match+"}}")
	}
	for _, match := range []string{"users: ['*']", "users: ['a*']", "users: ['a*b']", "users: ['']", "groups: ['system:*']", "groups: ['a*b*']"} {
		same("access.no_node_access", "{match: {"+match+"}}")
	}
}

func TestWrongPoliciesOfTheLibraryAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		`{"names":["images.allowed_registries"]}`:                                                              "at '/policies/library/specs': missing property 'images.allowed_registries'",
		`{"names":["pods.privileged"],"specs":{"pods.privilegd":{}}}`:                                          "at '/policies/library/specs': additional properties 'pods.privilegd' not allowed",
		`{"names":["pods.privileged"],"specs":{"pods.privileged":{"parameters":{"exemptImage":["x"]}}}}`:       "at '/policies/library/specs/pods.privileged/parameters': additional properties 'exemptImage' not allowed",
		`{"names":["pods.privileged"],"specs":{"pods.privileged":{"match":{"namespace":["a"]}}}}`:              "at '/policies/library/specs/pods.privileged/match': additional properties 'namespace' not allowed",
		`{"names":["pods.privileged"],"specs":{"pods.no_exec":{"enforcement":"warn"}}}`:                        "policies.library.specs has pods.no_exec, which neither policies.library.names nor policies.library.bundles puts in force; add it there, or leave it out here",
		`{"names":["images.allowed_registries"],"specs":{"images.allowed_registries":{"enforcement":"warn"}}}`: "at '/policies/library/specs/images.allowed_registries': missing property 'parameters'",
		`{"names":["ingresses.unique_host"]}`: "the library's ingresses.unique_host reads ingresses.networking.k8s.io, which the server may not; " +
			"add {apiGroup: \"networking.k8s.io\", resources: [ingresses]} to rbac.inventory",
		`{"bundles":["pss-baselin"]}`:                              "at '/policies/library/bundles/0': 'pss-baselin' does not match pattern",
		`{"bundles":["pss-baseline"],"specs":{"pods.no_exec":{}}}`: "policies.library.specs has pods.no_exec, which neither policies.library.names nor policies.library.bundles puts in force",
	} {
		_, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: []string{"policies.library=" + set}}.Render(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
}
