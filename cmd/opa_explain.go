package cmd

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/library"
)

// explain adds why a function is missing to what OPA said about it, which is only that it is undefined. OPA keeps most of its errors to
// itself, so what it read is compiled once more. Who asked for JSON where errors are told gets that and nothing else.
func explain(c *cobra.Command, args []string, helper string) {
	format := flagValue(c, "format")
	capabilities := c.Flags().Lookup("capabilities")
	if c.Name() == "check" && format.String() == "json" || capabilities == nil || capabilities.Changed {
		return
	}
	said := undefinedIn(regoOf(pathsOf(c, args, helper)))
	if helper == "data" && len(args) == 1 {
		if body, err := ast.ParseBody(args[0]); err == nil {
			_, err = ast.NewCompiler().WithCapabilities(language.Capabilities()).QueryCompiler().Compile(body)
			said = append(said, astErrors(err)...)
		}
	}
	var explained ast.Errors
	if len(said) == 0 || !errors.As(language.Explain(said), &explained) {
		return
	}
	for i, e := range explained {
		if e.Message != said[i].Message {
			_, _ = io.WriteString(c.ErrOrStderr(), e.Error()+"\n")
		}
	}
}

// undefinedIn compiles the sources as a server would, all at once, and returns what the compiler says. Those that cannot be parsed are
// passed over.
func undefinedIn(sources map[string]string) ast.Errors {
	for _, helper := range library.Helpers() {
		if source, err := fs.ReadFile(library.FS(), helper); err == nil {
			sources[helper] = string(source)
		}
	}
	modules := map[string]*ast.Module{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if module, err := ast.ParseModule(name, sources[name]); err == nil {
			modules[name] = module
		}
	}
	compiler := ast.NewCompiler().WithCapabilities(language.Capabilities())
	compiler.Compile(modules)
	return compiler.Errors
}

func astErrors(err error) ast.Errors {
	if all, ok := errors.AsType[ast.Errors](err); ok {
		return all
	}
	if one, ok := errors.AsType[*ast.Error](err); ok {
		return ast.Errors{one}
	}
	return nil
}
