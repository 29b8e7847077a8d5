package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// otherEngine are the flags of check by which the Rego is held to something else than this server.
var otherEngine = []string{"bundle", "capabilities", "rego-v1", "schema", "v0-compatible", "v0-v1"}

// checkPolicies reads what OPA has checked as a server reads its policies, and says what is wrong with that, too. It returns OPA's error,
// or one of its own where OPA has none.
func checkPolicies(c *cobra.Command, args []string, said error) error {
	for _, name := range otherEngine {
		if flag := c.Flags().Lookup(name); flag != nil && flag.Changed {
			return said
		}
	}
	ignored, err := c.Flags().GetStringSlice("ignore")
	if err != nil {
		return err
	}
	faults, noted, found := policyFaults(c.Context(), args, ignored)
	lines := unsaid(faults, said)
	out := c.ErrOrStderr()
	if flagValue(c, "format").String() != "json" {
		for _, note := range noted {
			fmt.Fprintf(out, "note: %s\n", note)
		}
	}
	if len(lines) == 0 {
		if said == nil && found != "" && flagValue(c, "format").String() != "json" {
			fmt.Fprintln(out, found)
		}
		return said
	}
	if flagValue(c, "format").String() != "json" {
		fmt.Fprintln(out, strings.Join(lines, "\n"))
	} else if said == nil { // else there is a JSON document already, and the next run tells the rest
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(map[string]any{"errors": asOPA(lines)}); err != nil {
			return err
		}
	}
	if said == nil {
		said = errors.New("faulty policies")
	}
	return said
}

// policyFaults are all faults of the policies in the paths, one a line, what else is to be known of them, and what was found if it could be
// read.
func policyFaults(ctx context.Context, paths, ignored []string) (lines, noted []string, found string) {
	reader, err := NewReader()
	if err != nil {
		return []string{err.Error()}, nil, ""
	}
	from := source.Files{Reader: reader}
	for _, given := range paths {
		_, given = loader.SplitPrefix(given)
		from.Paths = append(from.Paths, filepath.Clean(given))
	}
	bundle, err := from.Load(ctx)
	if err != nil {
		return []string{err.Error()}, nil, ""
	}
	noted = notes(bundle.Notes, bundle.Documents)
	found = tally(bundle, func(file string) bool { return leftOut(file, from.Paths, ignored) })
	faults := bundle.Faults
	if _, err := compile(ctx, bundle, surroundings{}, policies.WithExceptions(bundle.Exceptions)); err != nil {
		compiled, ok := errors.AsType[policies.Faults](err)
		if !ok {
			return []string{err.Error()}, noted, ""
		}
		faults = append(faults, compiled...)
	}
	faults = slices.DeleteFunc(faults, func(f policies.Fault) bool { return leftOut(f.File, from.Paths, ignored) || isLibrarys(f.File) })
	if len(faults) == 0 {
		return nil, noted, found
	}
	return strings.Split(faults.Error(), "\n"), noted, found
}

// leftOut reports whether --ignore names a file, or a directory around it below the paths.
func leftOut(file string, paths, ignored []string) bool {
	for _, root := range paths {
		below, err := filepath.Rel(root, file)
		if err != nil || !filepath.IsLocal(below) {
			continue
		}
		for name := range strings.SplitSeq(filepath.ToSlash(below), "/") {
			if slices.ContainsFunc(ignored, func(pattern string) bool { matched, _ := path.Match(pattern, name); return matched }) {
				return true
			}
		}
	}
	return false
}

// isLibrarys reports whether a file is one of the library itself, which a server has already and which nobody else may bring.
func isLibrarys(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	found := false
	_ = fs.WalkDir(library.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if own, readErr := fs.ReadFile(library.FS(), name); err == nil && readErr == nil && string(own) == string(text) {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// unsaid leaves out the lines about a row of which OPA has spoken.
func unsaid(lines []string, said error) []string {
	var errs ast.Errors
	if loading, ok := errors.AsType[loader.Errors](said); ok {
		for _, err := range loading {
			errs = append(errs, astErrors(err)...)
		}
	}
	errs = append(errs, astErrors(said)...)
	return slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(errs, func(e *ast.Error) bool {
			return e.Location != nil && strings.HasPrefix(line, fmt.Sprintf("%s:%d:", e.Location.File, e.Location.Row))
		})
	})
}

// asOPA puts lines into the shape of OPA's errors.
func asOPA(lines []string) (out []map[string]any) {
	at := regexp.MustCompile(`^(.+?):(\d+): (.*)$`)
	for _, line := range lines {
		one := map[string]any{"message": line, "code": "policy_error"}
		if parts := at.FindStringSubmatch(line); parts != nil {
			one["message"], one["location"] = parts[3], map[string]any{"file": parts[1], "row": json.Number(parts[2])}
		}
		out = append(out, one)
	}
	return out
}
