package cmd

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// auditPages are the pages about the audit, by name.
func auditPages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../docs/audit/*.md")
	if err != nil || len(names) < 5 {
		t.Fatalf("%v, %v", names, err)
	}
	if _, err := os.Stat("../docs/scale.md"); err == nil {
		names = append(names, "../docs/scale.md")
	}
	out := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(text)
	}
	return out
}

// The metrics that the pages about the audit name are exported, with the labels that they name, and those of the audit are all named.
func TestAuditPagesNameMetrics(t *testing.T) {
	known, named := exported(t), map[string]bool{}
	spelt := regexp.MustCompile(`portcullis_\w+(?:\{[^}]*\})?`)
	for page, text := range auditPages(t) {
		for _, found := range spelt.FindAllString(text, -1) {
			name, labels, _ := strings.Cut(strings.TrimSuffix(found, "}"), "{")
			named[name] = true
			if known[name] == nil {
				t.Errorf("%s: no metric is called %s", page, name)
				continue
			}
			for label := range strings.FieldsFuncSeq(labels, func(r rune) bool { return r == ',' || r == ' ' }) {
				if label, _, _ = strings.Cut(label, "="); !slices.Contains(known[name], label) {
					t.Errorf("%s: %s has no label %s", page, name, label)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if regexp.MustCompile(`^portcullis_(audit|report|decision_records)_`).MatchString(name) && !named[name] {
			t.Errorf("no page about the audit names %s", name)
		}
	}
}

// The flags that the pages about the audit name are flags, and the commands that they show are those of this program, with flags that these have.
func TestAuditPagesNameFlags(t *testing.T) {
	flags := map[string]bool{}
	var collect func(*cobra.Command)
	collect = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		for _, sub := range c.Commands() {
			collect(sub)
		}
	}
	collect(newRoot())
	flag := regexp.MustCompile("[`\\s]--([a-z][a-z-]+)")
	shown := 0
	for page, text := range auditPages(t) {
		for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
			command := strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if strings.HasPrefix(command, "portcullis ") {
				shown++
				parse(t, page, command)
			}
			if strings.HasPrefix(command, "jq ") || strings.HasPrefix(command, "kubectl ") {
				continue
			}
			for _, found := range flag.FindAllStringSubmatch(" "+line, -1) {
				if !flags[found[1]] {
					t.Errorf("%s: no command has the flag --%s", page, found[1])
				}
			}
		}
	}
	if shown < 4 {
		t.Errorf("only %d commands were found", shown)
	}
}

// parse holds a command of a page to what the program takes.
func parse(t *testing.T, page, command string) {
	t.Helper()
	command, _, _ = strings.Cut(command, " | ")
	command, _, _ = strings.Cut(command, " > ")
	args := strings.Fields(command)[1:]
	found, rest, err := newRoot().Find(args)
	if err != nil || found.Parent() == nil {
		t.Errorf("%s: %s: there is no such command", page, command)
		return
	}
	if err := found.ParseFlags(rest); err != nil {
		t.Errorf("%s: %s: %v", page, command, err)
	}
}
