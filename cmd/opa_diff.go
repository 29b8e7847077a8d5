package cmd

import (
	"bytes"
	"fmt"
	"os"

	opacmd "github.com/open-policy-agent/opa/cmd"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

// showDiff is "fmt --diff" for people and for patch(1). OPA's own prints the whole file, with the changes told by colours alone, into pipes
// and files too.
func showDiff(c *cobra.Command, args []string) error {
	files, err := loader.FilteredPaths(args, nil)
	if err != nil {
		return err
	}
	changed := false
	for _, name := range files {
		if !isRego(name) {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read, written := regoVersions(c)
		formatted, err := format.SourceWithOpts(name, source, format.Opts{
			RegoVersion: written, ParserOptions: &ast.ParserOptions{RegoVersion: read}, DropRedundantDirectiveImports: isSet(c, "drop-v0-imports"),
		})
		if err != nil {
			return fmt.Errorf("failed to format Rego source file: %w", err)
		}
		if !bytes.Equal(source, formatted) {
			changed = true
			if _, err := c.OutOrStdout().Write(diff.Diff(name, source, name, formatted)); err != nil {
				return err
			}
		}
	}
	if changed && isSet(c, "fail") {
		return &opacmd.ExitError{Exit: 2}
	}
	return nil
}

// regoVersions are the versions of Rego in which fmt reads and writes.
func regoVersions(c *cobra.Command) (read, written ast.RegoVersion) {
	switch {
	case isSet(c, "v0-v1") && isSet(c, "v1-compatible"):
		return ast.RegoV1, ast.RegoV0CompatV1
	case isSet(c, "v0-v1"):
		return ast.RegoV0, ast.RegoV0CompatV1
	case isSet(c, "v0-compatible"):
		return ast.RegoV0, ast.RegoV0
	}
	return ast.DefaultRegoVersion, ast.RegoV1
}
