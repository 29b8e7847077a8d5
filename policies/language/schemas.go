package language

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// CheckSchemas refuses a module whose METADATA has a schema that refers to something outside itself. Call it before the module is
// compiled: the compiler opens such files, on the server, whatever the capabilities say, and quotes them in its errors.
func CheckSchemas(module *ast.Module) error {
	for _, a := range module.Annotations {
		for _, schema := range a.Schemas {
			if schema.Definition == nil {
				continue
			}
			if ref, found := outside(*schema.Definition); found {
				return ast.Errors{ast.NewError(ast.TypeErr, a.Location,
					"the schema of %v refers to %q: a schema refers to nothing outside the policy", schema.Path, ref)}
			}
		}
	}
	return nil
}

// outside finds a reference that does not stay within the schema. An identifier counts, too: references are resolved against it.
func outside(schema any) (string, bool) {
	switch s := schema.(type) {
	case map[string]any:
		for key, value := range s {
			if text, ok := value.(string); ok && (key == "$ref" || key == "$id" || key == "id") && !strings.HasPrefix(text, "#") {
				return text, true
			}
			if ref, found := outside(value); found {
				return ref, true
			}
		}
	case []any:
		for _, value := range s {
			if ref, found := outside(value); found {
				return ref, true
			}
		}
	}
	return "", false
}
