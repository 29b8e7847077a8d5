package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxSource bounds one file. Policies are text written by people; the largest public ones have a few dozen kilobytes.
const maxSource = 1 << 20

// module is one parsed .rego file.
type module struct {
	*ast.Module
	text []byte
}

func (m module) path() string { return m.Package.Path.String() }

// parse reads Rego, in the language of OPA 1.0 or, where the text is only right in the one before, in that. A text that is
// wrong in both is reported as what it would be today.
func parse(file string, text []byte) (module, error) {
	if len(text) > maxSource {
		return module{}, fmt.Errorf("%s: the file is longer than 1 MiB; split the policy", file)
	}
	options := ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1}
	parsed, err := ast.ParseModuleWithOpts(file, string(text), options)
	if err != nil {
		options.RegoVersion = ast.RegoV0
		var legacy error
		if parsed, legacy = ast.ParseModuleWithOpts(file, string(text), options); legacy != nil {
			return module{}, firstLine(file, text, err)
		}
	}
	if parsed == nil {
		return module{}, fmt.Errorf("%s: the file holds no Rego", file)
	}
	return module{Module: parsed, text: text}, nil
}

// firstLine makes one line of OPA's parse errors, which print several.
func firstLine(file string, text []byte, err error) error {
	var one *ast.Error
	var several ast.Errors
	if errors.As(err, &several) && len(several) > 0 {
		one = several[0]
	} else if !errors.As(err, &one) {
		return fmt.Errorf("%s: %w", file, err)
	}
	if one.Location == nil || one.Location.Row == 0 {
		return fmt.Errorf("%s: %s", file, one.Message)
	}
	row, message := one.Location.Row, strings.Join(strings.Fields(one.Message), " ")
	if wrong, ok := strings.CutPrefix(message, "yaml: unmarshal errors: line "); ok {
		row, message = wrongMetadata(text, row, wrong)
	}
	return fmt.Errorf("%s:%d: %s", file, row, message)
}

// wrongMetadata says in words what a library says of METADATA around the row, "2: cannot unmarshal !!seq into map[string]interface {}",
// and finds the row it means.
func wrongMetadata(text []byte, row int, wrong string) (at int, message string) {
	number, problem, _ := strings.Cut(wrong, ": ")
	if line, err := strconv.Atoi(number); err == nil {
		lines := strings.Split(string(text), "\n")
		for begin := min(row, len(lines)); begin > 0; begin-- {
			if strings.HasPrefix(strings.TrimLeft(lines[begin-1], "# "), "METADATA") {
				row = begin + line
				break
			}
		}
	}
	for _, kind := range []struct{ in, wanted string }{
		{"into map[", "a map"}, {"into ast.", "a map"}, {"into []", "a list"}, {"into string", "a text"}, {"into bool", "a boolean"},
	} {
		if strings.Contains(problem, kind.in) {
			return row, "METADATA must have " + kind.wanted + " here"
		}
	}
	return row, "METADATA: " + problem
}

// dataRefs lists what the module refers to under data, as package paths or longer.
func (m module) dataRefs() []ast.Ref {
	var refs []ast.Ref
	ast.WalkRefs(m.Module, func(ref ast.Ref) bool {
		if ref.HasPrefix(ast.DefaultRootRef) {
			refs = append(refs, ref.ConstantPrefix())
		}
		return false
	})
	for _, imported := range m.Imports {
		if ref, ok := imported.Path.Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// packages is modules by package path.
type packages map[string][]module

// closure lists the modules of the package at path and of every package they can reach, the package's own first.
func (p packages) closure(path string) []module {
	seen := map[string]bool{path: true}
	queue := []string{path}
	var out []module
	for len(queue) > 0 {
		next := p[queue[0]]
		queue = queue[1:]
		out = append(out, next...)
		var reached []string
		for _, m := range next {
			for _, ref := range m.dataRefs() {
				for name, modules := range p {
					if !seen[name] && overlap(modules[0].Package.Path, ref) {
						seen[name] = true
						reached = append(reached, name)
					}
				}
			}
		}
		slices.Sort(reached)
		queue = append(queue, reached...)
	}
	return out
}

// overlap reports whether a reference can reach into a package: one is a prefix of the other.
func overlap(pkg, ref ast.Ref) bool { return ref.HasPrefix(pkg) || pkg.HasPrefix(ref) }

// libraryPrefix is what the paths of the library's policies begin with; its other packages are helpers.
const libraryPrefix = "data.portcullis.library."

// identity is a package's name as users know it: that of the library without the part all its packages share.
func identity(path ast.Ref) string {
	return strings.TrimPrefix(strings.TrimPrefix(path.String(), libraryPrefix), "data.")
}
