package library

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/portcullis-dev/portcullis/policies/language"
)

func TestMain(m *testing.M) {
	language.Register()
	m.Run()
}

// modules are the Rego files of the folder, tests included. The compiler copies what it is given.
func modules(t testing.TB) map[string]*ast.Module {
	t.Helper()
	parsed, err := parsedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return maps.Clone(parsed)
}

// parsedOnce parses them once: every policy is tested with all of them at hand.
var parsedOnce = sync.OnceValues(func() (map[string]*ast.Module, error) {
	parsed := map[string]*ast.Module{}
	err := filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".rego" {
			return err
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed[file], err = ast.ParseModuleWithOpts(file, string(source), ast.ParserOptions{
			RegoVersion: ast.RegoV1, Capabilities: language.Capabilities(), ProcessAnnotation: true,
		})
		return err
	})
	return parsed, err
})

func newCompiler() *ast.Compiler {
	return ast.NewCompiler().WithCapabilities(language.Capabilities()).WithStrict(true).WithUseTypeCheckAnnotations(true)
}

// What a server loads: the embedded files alone, without their tests.
func TestTheEmbeddedFilesCompile(t *testing.T) {
	all := modules(t)
	var embedded []string
	err := fs.WalkDir(FS(), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path.Dir(file) != "bundles" {
			embedded = append(embedded, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]*ast.Module{}
	for _, file := range embedded {
		if served[file] = all[file]; all[file] == nil {
			t.Errorf("%s is embedded and not a Rego file of this folder", file)
		}
	}
	for file := range all {
		if !strings.HasSuffix(file, "_test.rego") && served[file] == nil {
			t.Errorf("%s is not embedded; a policy is TOPIC/RULE/rule.rego", file)
		}
	}
	compiler := newCompiler()
	if compiler.Compile(served); compiler.Failed() {
		t.Fatal(language.Explain(compiler.Errors))
	}
}

func TestNames(t *testing.T) {
	names := Names()
	if len(names) < 18 || !slices.IsSorted(names) || !slices.Contains(names, "pods.privileged") {
		t.Errorf("got %v", names)
	}
	for _, name := range names {
		if _, err := fs.Stat(FS(), File(name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := fs.Stat(FS(), File("no.such")); err == nil {
		t.Error("a file for a policy that does not exist")
	}
}

func TestEveryFileIsFormatted(t *testing.T) {
	for file := range modules(t) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		formatted, err := format.SourceWithOpts(file, source, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if string(formatted) != string(source) {
			t.Errorf("%s: portcullis fmt would change it", file)
		}
	}
}

// Every test of the folder passes, and together those beside a policy reach every line of it.
func TestRego(t *testing.T) {
	all := modules(t)
	coverage := cover.New()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store := inmem.New()
	results, err := tester.NewRunner().SetCompiler(newCompiler()).SetStore(store).SetCoverageQueryTracer(coverage).SetModules(all).
		SetTimeout(10*time.Second).RunTests(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for result := range results {
		if result.Pass() {
			passed++
			continue
		}
		t.Errorf("%s: %s", result.Location, result)
	}
	if passed < 100 {
		t.Errorf("only %d tests ran", passed)
	}
	report := coverage.Report(all)
	for file, lines := range report.Files {
		for _, gap := range lines.NotCovered {
			t.Errorf("%s:%d: no test reaches this line", file, gap.Start.Row)
		}
	}
	for _, name := range Names() {
		if _, ok := all[strings.TrimSuffix(File(name), ".rego")+"_test.rego"]; !ok {
			t.Errorf("%s has no rule_test.rego", name)
		}
	}
}
