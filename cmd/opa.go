package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	opacmd "github.com/open-policy-agent/opa/cmd"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/library"
)

// opaMounts are the commands of OPA we have, to the flag. Those that compile policies do so with our language, and those that read
// a policy directory find the helper packages of the library and pass over the fixtures in it.
var opaMounts = []struct {
	name string
	// helper is how a command is handed the helper packages: as an "argument", with a flag ("data"), or not at all. A bundle
	// goes without, as the server that loads it has its own.
	helper string
}{
	{name: "bench", helper: "data"},
	{name: "build"},
	{name: "check", helper: "argument"},
	{name: "deps", helper: "data"},
	{name: "eval", helper: "data"},
	{name: "fmt"},
	{name: "inspect"},
	{name: "parse"},
	{name: "sign"},
	{name: "test", helper: "argument"},
}

// mounting is held while OPA's commands are made: that of parse writes the defaults of its flags to variables of OPA's package.
var mounting sync.Mutex

func opaCommands() []*cobra.Command {
	mounting.Lock()
	defer mounting.Unlock()
	// OPA mounts all its commands on a root; the ones we have are taken off it. Their help names the program after it.
	root := &cobra.Command{Use: "portcullis"}
	opacmd.Command(root, "Portcullis")
	var mounted []*cobra.Command
	for _, mount := range opaMounts {
		for _, c := range root.Commands() {
			if c.Name() != mount.name {
				continue
			}
			root.RemoveCommand(c)
			speakOurWords(c)
			run := c.RunE
			c.RunE = func(c *cobra.Command, args []string) error { return opaRun(c, args, mount.helper, run) }
			mounted = append(mounted, c)
		}
	}
	return mounted
}

// opaRun runs a command of OPA. Its flags take capabilities and modules as files only, so they are put in a directory that goes when
// the command ends. What the user set is left alone.
func opaRun(c *cobra.Command, args []string, helper string, run func(*cobra.Command, []string) error) error {
	if target := flagValue(c, "target"); target != nil && target.String() == "wasm" && c.Name() != "build" {
		return errors.New("--target wasm: policies are evaluated as Rego here; leave --target out")
	}
	if err := ignoreManifests(c); err != nil {
		return err
	}
	if flag := c.Flags().Lookup("fail-on-empty"); flag != nil && !flag.Changed {
		if err := flag.Value.Set("true"); err != nil {
			return fmt.Errorf("--fail-on-empty: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "portcullis-")
	if err != nil {
		return fmt.Errorf("%w; the capabilities of policies are written there: set TMPDIR to a directory that can be written to", err)
	}
	defer os.RemoveAll(dir)
	if flag := c.Flags().Lookup("capabilities"); flag != nil && !flag.Changed {
		file := filepath.Join(dir, "capabilities.json")
		if err := writeCapabilities(file); err != nil {
			return err
		}
		if err := flag.Value.Set(file); err != nil {
			return fmt.Errorf("--capabilities: %w", err)
		}
	}
	given := args
	switch wanted := wantedHelpers(c, args, helper); {
	case coverage(c):
		run = telling(func(c *cobra.Command, args []string) error { return runCoverage(c, args, wanted) })
	case c.Name() == "fmt" && isSet(c, "diff") && len(args) > 0:
		run = telling(showDiff)
	default:
		for _, name := range wanted {
			file := filepath.Join(dir, name)
			source, err := fs.ReadFile(library.FS(), name)
			if err == nil {
				err = os.WriteFile(file, source, 0o600)
			}
			if err != nil {
				return fmt.Errorf("the package data.%s: %w", library.HelperPackage(name), err)
			}
			if helper == "argument" {
				args = append([]string{file}, args...)
			} else if err := flagValue(c, helper).Set(file); err != nil {
				return fmt.Errorf("--%s: %w", helper, err)
			}
		}
	}
	err = interruptible(c, args, run)
	if c.Name() == "check" {
		err = checkPolicies(c, given, err)
	}
	return opaExit(c, given, helper, err)
}

// telling makes run say what is wrong, as OPA's commands do themselves.
func telling(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		err := run(c, args)
		if _, told := errors.AsType[*opacmd.ExitError](err); err == nil || told {
			return err
		}
		fmt.Fprintln(c.ErrOrStderr(), err)
		return &opacmd.ExitError{Exit: exitFault}
	}
}

// ignoreManifests leaves out the YAML and JSON files beside policies, as Policy documents, exceptions and fixtures: to OPA they would be
// data, and two with the same key a conflict. What a bundle takes for data, data.json and data.yaml, stays data, and so does a file that is
// named itself.
func ignoreManifests(c *cobra.Command) error {
	ignore, ok := flagValue(c, "ignore").(pflag.SliceValue)
	bundle := c.Flags().Lookup("bundle")
	// A bundle knows its data itself, and has signatures beside it; check reads no data.
	if !ok || c.Name() == "check" || bundle != nil && bundle.Changed {
		return nil
	}
	for _, pattern := range allBut("data", ".json", ".yaml", ".yml") {
		if err := ignore.Append(pattern); err != nil {
			return fmt.Errorf("--ignore: %w", err)
		}
	}
	return nil
}

// allBut returns glob patterns that together cover every name with one of the extensions, except stem's.
func allBut(stem string, extensions ...string) (patterns []string) {
	for _, extension := range extensions {
		for i := range stem {
			patterns = append(patterns, stem[:i]+extension, stem[:i]+"[^"+stem[i:i+1]+"]*"+extension)
		}
		patterns = append(patterns, stem+"?*"+extension)
	}
	return patterns
}

// interruptible runs a command that does not know of contexts, and leaves it behind when its own ends.
func interruptible(c *cobra.Command, args []string, run func(*cobra.Command, []string) error) error {
	if isSet(c, "watch") {
		return run(c, args) // which ends by itself when it is told to
	}
	if err := c.Context().Err(); err != nil {
		return err
	}
	own := *c // it writes to its command, which is read after it was left behind
	ended := make(chan error, 1)
	go func() { ended <- run(&own, args) }()
	select {
	case err := <-ended:
		return err
	case <-c.Context().Done():
		return c.Context().Err()
	}
}

// writeCapabilities spells out that no host may be reached: OPA leaves an empty list out, and takes a missing one for any host.
func writeCapabilities(file string) error {
	text, err := json.Marshal(struct {
		*ast.Capabilities
		AllowNet []string `json:"allow_net"`
	}{language.Capabilities(), []string{}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("the language of policies: %w", err)
	}
	return nil
}

// wantedHelpers lists the files of the helper packages that what the command reads mentions and does not define, and those that
// these mention. The others are left out, so that they do not count in the coverage of policies that have nothing to do with them.
func wantedHelpers(c *cobra.Command, args []string, helper string) []string {
	// Bundles have roots of their own, with which a module beside them would collide.
	if helper == "" || helper == "argument" && isSet(c, "bundle") {
		return nil
	}
	all := library.Helpers()
	wanted, defined := map[string]bool{}, map[string]bool{}
	read := func(source string) {
		for line := range strings.Lines(source) {
			for _, name := range all {
				wanted[name] = wanted[name] || strings.Contains(line, "data."+library.HelperPackage(name))
				defined[name] = defined[name] || strings.TrimSpace(line) == "package "+library.HelperPackage(name)
			}
		}
	}
	read(strings.Join(args, " ")) // in a query
	for _, source := range regoOf(pathsOf(c, args, helper)) {
		read(source)
	}
	given := maps.Clone(defined)
	for range all {
		for _, name := range all {
			if wanted[name] && !given[name] {
				source, _ := fs.ReadFile(library.FS(), name)
				read(string(source))
			}
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return !wanted[name] || given[name] })
}

func isRego(file string) bool { return filepath.Ext(file) == ".rego" }

// pathsOf are the paths from which a command reads its policies.
func pathsOf(c *cobra.Command, args []string, helper string) []string {
	if helper == "data" {
		// The flag gives its paths away only joined by commas. A path with a comma in it is then not found.
		return strings.Split(flagValue(c, helper).String(), ",")
	}
	return args
}

// regoOf reads the Rego files of paths, by name. What cannot be read is for OPA to complain about.
func regoOf(paths []string) map[string]string {
	out := map[string]string{}
	files, _ := loader.FilteredPaths(paths, nil)
	for _, file := range files {
		if isRego(file) {
			source, _ := os.ReadFile(file)
			out[file] = string(source)
		}
	}
	return out
}

// opaExit turns the way a command of OPA ends into ours. They have printed what there is to say.
func opaExit(c *cobra.Command, args []string, helper string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	code := exitFault
	if exit, ok := errors.AsType[*opacmd.ExitError](err); ok {
		code = opaCode(c, args, exit.Exit)
	}
	if code == exitFault {
		explain(c, args, helper)
	}
	return &exitError{code: code}
}

// opaCode is our exit code for one of OPA's, whose commands differ in what they mean by it.
func opaCode(c *cobra.Command, args []string, code int) int {
	switch {
	case c.Name() == "eval" && code == 1: // --fail or --fail-defined
		return exitRefused
	case c.Name() == "test" && code == 2:
		return exitRefused
	case c.Name() == "fmt" && code == 2 && isSet(c, "fail") && parses(c, args):
		return exitLint
	}
	return exitFault
}

// parses reports whether all Rego files of the paths can be read. To OPA's fmt, one that cannot is the same as one that would change.
func parses(c *cobra.Command, paths []string) bool {
	version, _ := regoVersions(c)
	files, err := loader.FilteredPaths(paths, nil)
	if err != nil {
		return false
	}
	for _, file := range files {
		if !isRego(file) {
			continue
		}
		source, err := os.ReadFile(file)
		if err == nil {
			_, err = ast.ParseModuleWithOpts(file, string(source), ast.ParserOptions{RegoVersion: version})
		}
		if err != nil {
			return false
		}
	}
	return true
}

// flagValue is the value of a flag, nil where the command has none of that name.
func flagValue(c *cobra.Command, name string) pflag.Value {
	if flag := c.Flags().Lookup(name); flag != nil {
		return flag.Value
	}
	return nil
}

// isSet reports whether a command has a flag of that name and it is true.
func isSet(c *cobra.Command, name string) bool {
	value := flagValue(c, name)
	return value != nil && value.String() == "true"
}
