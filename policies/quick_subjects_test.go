package policies_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// objects are the Pods and Deployments that the library's policies are tried on, two Pods that have much of what there is to judge, and all Pods
// as Deployments.
func objects(t testing.TB) (out []any) {
	t.Helper()
	files, err := filepath.Glob("library/*/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("the library has no objects: %v", err)
	}
	for _, file := range append(files, "testdata/quick/pods.yaml") {
		for _, doc := range split(t, file, read(t, file)) {
			object := decoded(t, doc.JSON).(map[string]any)
			if metadata, ok := object["metadata"].(map[string]any); ok {
				metadata["managedFields"] = []any{map[string]any{"manager": "kubectl", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:app": object["kind"]}}}}
			}
			switch object["kind"] {
			case "Pod":
				out = append(out, object, map[string]any{
					"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object["metadata"],
					"spec": map[string]any{"replicas": json.Number("2"), "template": map[string]any{"metadata": object["metadata"], "spec": object["spec"]}},
				})
			case "Deployment":
				out = append(out, object)
			}
		}
	}
	return out
}

// decoded keeps numbers as they are spelled.
func decoded(t testing.TB, text []byte) (value any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func split(t testing.TB, name string, text []byte) []documents.Document {
	t.Helper()
	docs, err := documents.Split(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// benchmarked are the constraints of the benchmark.
func benchmarked(t testing.TB) []policies.Spec {
	t.Helper()
	files, err := filepath.Glob("../test/bench/policies/gatekeeper/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("the benchmark has no templates: %v", err)
	}
	var docs []documents.Document
	for _, file := range files {
		docs = append(docs, split(t, filepath.Base(file), read(t, file))...)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	return reading.Specs
}

// fixtures are the constraints among the files of all tests, as far as they have no fault and differ in more than whom they are for.
func fixtures(t testing.TB) (out []policies.Spec) {
	t.Helper()
	known := map[string]bool{}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) != ".txtar" {
			return err
		}
		text := read(t, file)
		if !bytes.Contains(text, []byte("ConstraintTemplate")) {
			return nil
		}
		var docs []documents.Document
		for _, part := range txtar.Parse(text).Files {
			found, err := documents.Split(filepath.Base(file)+"/"+part.Name, part.Data)
			if err == nil {
				docs = append(docs, found...)
			}
		}
		for _, spec := range new(gatekeeper.Reader).Read(t.Context(), docs).Specs {
			same := fmt.Sprint(spec.Code, spec.Parameters)
			if known[same] {
				continue
			}
			known[same] = true
			spec.ID = fmt.Sprintf("%s %d %s", filepath.Base(file), len(out), spec.ID)       // some define one twice
			if _, err := policies.Compile(t.Context(), []policies.Spec{spec}); err == nil { // one that asks a Provider has none here
				out = append(out, spec)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// forms are the modules of a file of their own.
func forms(t testing.TB) (out []policies.Spec) {
	t.Helper()
	for _, file := range txtar.Parse(read(t, "testdata/quick/forms.txtar")).Files {
		module, err := ast.ParseModule(file.Name, string(file.Data))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, policies.Spec{
			ID: file.Name, File: file.Name, Digest: file.Name, Convention: policies.Gatekeeper, Lenient: true,
			Package: module.Package.Path, Modules: []*ast.Module{module}, Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}},
		})
	}
	return out
}

// nativeForms are the policies of a file of their own, each with all rules that may be asked and one that has no METADATA, so that a failure is
// undefined in it.
func nativeForms(t testing.TB) (out []policies.Spec) {
	t.Helper()
	stages := map[string]review.Stage{
		"deny": review.Validate, "warn": review.Validate, "mutate": review.Mutate, "allow": review.Grant, "user": review.Authenticate,
	}
	var helpers *ast.Module
	for i, file := range txtar.Parse(read(t, "testdata/quick/native.txtar")).Files {
		module, err := ast.ParseModuleWithOpts(file.Name, string(file.Data), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			helpers = module
			continue
		}
		spec := policies.Spec{
			ID: file.Name, File: file.Name, Digest: file.Name,
			Package: module.Package.Path, Modules: []*ast.Module{helpers, module}, Shared: []ast.Ref{helpers.Package.Path},
			Parameters: ast.MustParseTerm(`{"limit": 3, "names": ["docker.io", "app"], "read": ["name", "managedFields"], "podTemplates": {}}`).Value,
		}
		for _, name := range slices.Sorted(maps.Keys(stages)) {
			if slices.ContainsFunc(module.Rules, func(r *ast.Rule) bool { return r.Head.Name.Equal(ast.Var(name)) }) {
				spec.Rules = append(spec.Rules, policies.Rule{Stage: stages[name], Name: name})
			}
		}
		lenient := spec
		lenient.ID, lenient.Lenient = "lenient "+spec.ID, true
		out = append(out, spec, lenient)
	}
	return out
}

// libraryOf are all policies of the library, with the parameters of their first example.
func libraryOf(t testing.TB) (out []policies.Spec) {
	t.Helper()
	var files []native.File
	for _, helper := range library.Helpers() {
		files = append(files, native.File{Name: helper, Text: read(t, "library/"+helper)})
	}
	for _, name := range library.Names() {
		files = append(files, native.File{Name: library.File(name), Text: read(t, "library/"+library.File(name))})
	}
	reader, err := native.NewReader(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range library.Names() {
		description, err := reader.Describe(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := description.Policy("")
		if err != nil {
			t.Fatal(err)
		}
		specs, faults := reader.Read([]native.File{{Name: name + ".yaml", Text: text}})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		out = append(out, specs...)
	}
	return out
}
