package language

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Explain says in plain words what OPA's compiler means by an undefined function. It returns every error of err, in order,
// each still with file and row; an error it has nothing to add to stays as it is.
func Explain(err error) error {
	var all ast.Errors
	if !errors.As(err, &all) {
		var one *ast.Error
		if !errors.As(err, &one) {
			return err
		}
		all = ast.Errors{one}
	}
	explained := make(ast.Errors, len(all))
	for i, e := range all {
		explained[i] = explain(e)
	}
	return explained
}

func explain(e *ast.Error) *ast.Error {
	name, undefined := strings.CutPrefix(e.Message, "undefined function ")
	if !undefined {
		name, _ = strings.CutSuffix(strings.TrimPrefix(e.Message, "called function "), " shadowed")
	}
	copied := *e
	if reason, ok := forbidden[name]; ok && undefined {
		copied.Message = fmt.Sprintf("%s is not available to policies: %s", name, reason)
	} else if available(name) {
		// It exists, so it is out of sight: a variable or rule called image hides image.parse.
		hiding, _, _ := strings.Cut(name, ".")
		copied.Message = fmt.Sprintf("%s cannot be called here, because %s is a name of this policy as well: give that another name",
			name, hiding)
	}
	return &copied
}

func available(name string) bool {
	return allowed[name] || slices.ContainsFunc(additions, func(a addition) bool { return a.name == name })
}
