package native

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/review"
)

// members are the fields that the input has at a stage, and those of the field with the question. Every review reaches policies in the
// spelling of its v1.
func members(stage review.Stage) (input []string, question string, fields []string) {
	switch stage {
	case review.Validate, review.Mutate:
		return []string{"apiVersion", "kind", "namespace", "parameters", "request"}, "request", []string{
			"dryRun", "kind", "name", "namespace", "object", "oldObject", "operation", "options", "requestKind", "requestResource",
			"requestSubResource", "resource", "subResource", "uid", "userInfo",
		}
	case review.Guard, review.Grant:
		fields = []string{"extra", "groups", "nonResourceAttributes", "resourceAttributes", "uid", "user"}
	case review.Authenticate:
		fields = []string{"audiences", "token"}
	case review.Image:
		fields = []string{"annotations", "containers", "namespace"}
	}
	return []string{"apiVersion", "kind", "metadata", "namespace", "parameters", "spec", "status"}, "spec", fields
}

// everyStage has each spelling of members once.
func everyStage() []review.Stage {
	return []review.Stage{review.Validate, review.Guard, review.Authenticate, review.Image}
}

// neverThere returns an error for the first thing that a policy reads of a review in which there is no such thing: it would always be
// undefined, and its rule silently never hold. The policy's own package is held to the stages at which it is asked; packages it imports,
// which may serve others as well, to all. Of a policy written for OPA only its own package is looked at, and the first level there.
func (b *bundle) neverThere(modules []module, stages []review.Stage, legacy bool) error {
	own := modules[0].path()
	all := modules
	if !legacy {
		all = b.packages.closure(own)
	}
	if slices.ContainsFunc(all, module.replacesInput) {
		return nil
	}
	for _, m := range all {
		at := stages
		if m.path() != own {
			at = everyStage()
		}
		for _, r := range m.reads() {
			if legacy && r.path[0] == "review" && policies.Reads(m.Module, ast.InputRootDocument, "request") {
				continue // written for OPA and Gatekeeper alike
			}
			if said := unknown(r.path, at, legacy); said != "" {
				return &placedError{at: fmt.Sprintf("%s:%d", r.at.File, r.at.Row), err: fmt.Errorf("%s", said)}
			}
		}
		if err := m.otherKind(at); err != nil {
			return err
		}
	}
	return nil
}

// unknown says what is wrong with a path below input, or nothing.
func unknown(path []string, stages []review.Stage, legacy bool) string {
	var input, fields []string
	question := path[0]
	for _, stage := range stages {
		members, asked, below := members(stage)
		input = append(input, members...)
		if asked == question {
			fields = append(fields, below...)
		}
	}
	says := func(parent, name string, known []string, hint string) string {
		slices.Sort(known)
		known = slices.Compact(known)
		if slices.Contains(known, name) {
			return ""
		}
		if near := spelling.Nearest(name, known...); near != "" {
			return fmt.Sprintf("%s is never there; did you mean %s?", dotted(parent, name), dotted(parent, near))
		}
		return fmt.Sprintf("%s is never there%s; what is below %s is %s%s", dotted(parent, name), atStages(stages), parent, spelling.Listed(known, "and"), hint)
	}
	hint := ""
	if slices.Contains(stages, review.Validate) {
		hint = ", and the object is input.request.object"
	}
	if said := says("input", question, input, hint); said != "" || legacy || len(path) < 2 || len(fields) == 0 {
		return said
	}
	return says("input."+question, path[1], fields, "")
}

// atStages is " at stage guard", in the words of match.stage.
func atStages(stages []review.Stage) string {
	if len(stages) == len(everyStage()) {
		return " at any stage"
	}
	var names []string
	for _, stage := range stages {
		switch stage {
		case review.Validate, review.Mutate:
			names = append(names, "admission")
		case review.Authenticate:
			return " in the review of a token"
		case review.Guard, review.Grant, review.Image:
			names = append(names, string(stage))
		}
	}
	slices.Sort(names)
	return " at stage " + spelling.Listed(slices.Compact(names), "and")
}

// otherKind returns an error where a module compares the kind of the review with something else: written for Conftest or for the object
// alone, it would never hold.
func (m module) otherKind(stages []review.Stage) (err error) {
	kind := ast.MustParseRef("input.kind")
	kinds := map[review.Stage]string{
		review.Validate: "AdmissionReview", review.Mutate: "AdmissionReview", review.Guard: "SubjectAccessReview",
		review.Grant: "SubjectAccessReview", review.Authenticate: "TokenReview", review.Image: "ImageReview",
	}
	var right []string
	for _, stage := range stages {
		right = append(right, kinds[stage])
	}
	hint := ""
	if slices.Contains(right, "AdmissionReview") {
		hint = "; that of the object is input.request.kind.kind"
	}
	compares := func(call []*ast.Term) bool {
		return len(call) > 2 && slices.ContainsFunc([]*ast.Builtin{ast.Equality, ast.Equal, ast.NotEqual}, func(b *ast.Builtin) bool {
			return call[0].Value.Compare(b.Ref()) == 0
		})
	}
	check := func(call []*ast.Term) {
		if err != nil || !compares(call) {
			return
		}
		for i, operand := range call[1:3] {
			text, isText := call[2-i].Value.(ast.String)
			if operand.Value.Compare(kind) == 0 && isText && !slices.Contains(right, string(text)) && operand.Location != nil {
				err = &placedError{
					at:  fmt.Sprintf("%s:%d", operand.Location.File, operand.Location.Row),
					err: fmt.Errorf("input.kind is the kind of the review, %s, and never %s%s", spelling.Listed(slices.Compact(right), "or"), text, hint),
				}
			}
		}
	}
	walk(m.Module, func(x any) {
		switch x := x.(type) {
		case *ast.Expr:
			if call, ok := x.Terms.([]*ast.Term); ok {
				check(call)
			}
		case *ast.Term:
			if call, ok := x.Value.(ast.Call); ok {
				check(call)
			}
		}
	})
	return err
}
