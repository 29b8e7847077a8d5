package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The import table of docs/architecture.md is held by depguard, which passes over files that no rule is about: every package falls under
// one rule. cmd and main may import all, and so may tests.
func TestEveryPackageFallsUnderARuleOfImports(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Files    []string
						ListMode string `json:"list-mode"`
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for name := range packagesWithRules(t) {
		var under []string
		for rule, about := range config.Linters.Settings.Depguard.Rules {
			if about.ListMode != "strict" || len(about.Files) != 2 || about.Files[1] != "!$test" {
				t.Errorf("rule %s is none that names one place, leaves tests out and allows only what it lists", rule)
				continue
			}
			if globbed(about.Files[0]).MatchString("/" + name + "/x.go") {
				under = append(under, rule)
				used[rule] = true
			}
		}
		if len(under) != 1 {
			t.Errorf("package %s falls under the rules %q of depguard in .golangci.yml, want one", name, under)
		}
	}
	for rule := range config.Linters.Settings.Depguard.Rules {
		if !used[rule] {
			t.Errorf("rule %s of depguard in .golangci.yml is about no package", rule)
		}
	}
}

// packagesWithRules are the folders that have Go files, but for cmd, test and main.
func packagesWithRules(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root(t)), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dir, name := filepath.Dir(path), entry.Name()
		switch {
		case entry.IsDir() && path != "." && (path == "cmd" || path == "test" || name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case dir != "." && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			out[dir] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// globbed is a pattern of depguard as a regular expression.
func globbed(pattern string) *regexp.Regexp {
	text := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*\*`, ".*")
	return regexp.MustCompile("^" + strings.ReplaceAll(text, `\*`, "[^/]*") + "$")
}
