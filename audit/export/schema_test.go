package export_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
)

// lack skips a test for which something is not on this machine, but on CI, where it fails.
func lack(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// reportsOf are the reports whose forms are held against schemas: one with everything, one with nothing, and the hostile ones.
func reportsOf() map[string]*audit.Report {
	out := map[string]*audit.Report{"sample": sample(), "nothing at all": {}}
	for name, text := range hostile {
		out[name] = poisoned(text)
	}
	return out
}

// sarifSchema is that of OASIS, which the linter's module brings along for its own tests.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "-modfile=tools.mod", "github.com/securego/gosec/v2")
	command.Dir = "../.."
	text, err := command.Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(text, &module) != nil {
		lack(t, "the module with the schema of SARIF cannot be had: "+string(text))
	}
	file, err := os.Open(filepath.Join(module.Dir, "report/sarif/testdata/sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSARIFIsAsItsSchemaHasIt(t *testing.T) {
	schema := sarifSchema(t)
	for name, report := range reportsOf() {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(written(t, report, export.SARIF, export.Options{})))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if schema.Validate(map[string]any{"version": "2.1.0"}) == nil {
		t.Error("the schema takes anything")
	}
}

func TestJUnitIsAsItsReadersHaveIt(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		lack(t, "there is no xmllint; install libxml2-utils")
	}
	valid := func(text string) (string, error) {
		command := exec.CommandContext(t.Context(), "xmllint", "--noout", "--nonet", "--schema", "testdata/junit.xsd", "-")
		command.Stdin = strings.NewReader(text)
		var said bytes.Buffer
		command.Stderr = &said
		err := command.Run()
		return said.String(), err
	}
	for name, report := range reportsOf() {
		if said, err := valid(written(t, report, export.JUnit, export.Options{By: export.ByControl})); err != nil {
			t.Errorf("%s: %v\n%.2000s", name, err, said)
		}
	}
	if _, err := valid(`<testsuites tests="1"/>`); err == nil {
		t.Error("the schema takes anything")
	}
}
