package gatekeeper

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
)

// entryPackage is where the rules of every template are.
func entryPackage() ast.Ref { return dataRef("template") }

func dataRef(names ...string) ast.Ref {
	out := ast.Ref{ast.DefaultRootDocument}
	for _, name := range names {
		out = append(out, ast.StringTerm(name))
	}
	return out
}

// rewrite parses the modules of a template and moves them where a server has them: the entry module to data.template, and lib below
// data.libs. It refuses what Gatekeeper refuses.
func (t *Template) rewrite(u *unit, from source) error {
	rows := u.rows()
	sum := sha256.New()
	add := func(text string, path ...string) (*ast.Module, error) {
		before := rows.Before(append(from.at, path...)...)
		m, err := parse(u.doc.File, before, text, from.version)
		if err, ok := errors.AsType[*refusal](err); ok {
			return nil, coded{ast.ParseErr, located{fmt.Errorf("%s: ConstraintTemplate %s: %w", err.at, u.object.GetName(), err.error)}}
		}
		if err == nil {
			t.modules = append(t.modules, m)
			t.texts = append(t.texts, policies.SourceText{File: u.doc.File, Text: []byte(below(text, before))})
			fmt.Fprintf(sum, "%s:%d v%d %d\n%s\n", u.doc.File, before, from.version, len(text), text)
		}
		return m, err
	}
	entry, err := add(from.rego, "rego")
	if err != nil {
		return err
	}
	if !defines(entry, policies.ViolationRule) {
		return located{fmt.Errorf("%s: ConstraintTemplate %s: the Rego has no rule %s, by which a template says what is wrong",
			placeOf(entry.Package.Location), u.object.GetName(), policies.ViolationRule)}
	}
	for i, text := range from.libs {
		lib, err := add(text, "libs", strconv.Itoa(i))
		if err != nil {
			return err
		}
		if path := lib.Package.Path; len(path) < 3 || !path.HasPrefix(dataRef("lib")) {
			return located{fmt.Errorf("%s: ConstraintTemplate %s: package %s of a lib must be lib.NAME", placeOf(lib.Package.Location),
				u.object.GetName(), strings.TrimPrefix(path.String(), "data."))}
		}
		lib.Package.Path = moved(lib.Package.Path)
	}
	t.entry, entry.Package.Path = entry.Package.Path, entryPackage()
	for _, m := range t.modules {
		if err := t.references(m); err != nil {
			return located{fmt.Errorf("%s: ConstraintTemplate %s: %w", err.at, u.object.GetName(), err.error)}
		}
	}
	t.code = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// parse reads a module whose first row is the one after before in the file.
func parse(file string, before int, text string, version ast.RegoVersion) (*ast.Module, error) {
	padded := below(text, before)
	m, err := ast.ParseModuleWithOpts(file, padded, ast.ParserOptions{RegoVersion: version})
	if err == nil && m == nil {
		return nil, &refusal{fmt.Sprintf("%s:%d", file, before+1), errors.New("the text holds no Rego")}
	}
	if err == nil {
		return m, nil
	}
	hint := ""
	if version == ast.RegoV0 {
		if _, other := ast.ParseModuleWithOpts(file, padded, ast.ParserOptions{RegoVersion: ast.RegoV1}); other == nil {
			hint = `; it is Rego v1, which a source under code says with version: "v1"`
		}
	}
	at, message := fmt.Sprintf("%s:%d", file, before+1), err.Error()
	var all ast.Errors
	if errors.As(err, &all) && len(all) > 0 {
		message = strings.Join(strings.Fields(all[0].Message), " ")
		if all[0].Location != nil && all[0].Location.Row > 0 {
			at = placeOf(all[0].Location)
		}
	}
	return nil, &refusal{at, errors.New(message + hint)}
}

// below is a text whose rows are those it has in its file.
func below(text string, before int) string { return strings.Repeat("\n", max(before, 0)) + text }

func placeOf(at *ast.Location) string { return fmt.Sprintf("%s:%d", at.File, at.Row) }

func defines(m *ast.Module, name string) bool {
	for _, rule := range m.Rules {
		if ref := rule.Head.Ref(); len(ref) > 0 && ref[0].Value.Compare(ast.Var(name)) == 0 {
			return true
		}
	}
	return false
}

// refusal is what is wrong with a reference, and where.
type refusal struct {
	at string
	error
}

// references moves the imports and references of a module, and refuses those that a template may not have.
func (t *Template) references(m *ast.Module) *refusal {
	for _, imported := range m.Imports {
		path, ok := imported.Path.Value.(ast.Ref)
		if ok && path[0].Value.Compare(ast.Var("future")) == 0 {
			continue
		}
		if !ok || !path.HasPrefix(dataRef("lib")) {
			return &refusal{placeOf(imported.Location), fmt.Errorf("import %s is not for a template: it may import data.lib.NAME and future.keywords%s",
				imported.Path, insteadOf(path))}
		}
		imported.Path.Value = moved(path)
	}
	for _, rule := range m.Rules {
		if wrong := t.rule(rule); wrong != nil {
			return wrong
		}
	}
	return nil
}

// insteadOf says what to write for imports that have another spelling.
func insteadOf(path ast.Ref) string {
	switch {
	case path.HasPrefix(dataRef("inventory")):
		return "; read data.inventory by that name"
	case path.Equal(ast.Ref{ast.VarTerm("rego"), ast.StringTerm("v1")}):
		return `; give the source under code version: "v1" in its place`
	}
	return ""
}

// rule refuses what a rule may not read of data, and moves its references to libs.
func (t *Template) rule(rule *ast.Rule) (wrong *refusal) {
	at := rule.Location
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		term, ok := x.(*ast.Term)
		if !ok || wrong != nil {
			return wrong != nil
		}
		if term.Location != nil && term.Location.Row > 0 {
			at = term.Location
		}
		ref, ok := term.Value.(ast.Ref)
		switch {
		case term.Equal(ast.DefaultRootDocument):
			wrong = &refusal{placeOf(at), errors.New("data as a whole is not for a template: it may read data.lib and data.inventory")}
			return true
		case !ok || !ref.HasPrefix(ast.DefaultRootRef):
			return false
		case ref.HasPrefix(dataRef("inventory")):
			t.inventory = true
		case !ref.HasPrefix(dataRef("lib")):
			wrong = &refusal{placeOf(at), fmt.Errorf("%s is not for a template: it may read data.lib and data.inventory", ref)}
			return true
		}
		for _, term := range ref[1:] { // without data itself, which would be data as a whole
			visitor.Walk(term)
		}
		return true
	})
	visitor.Walk(rule)
	if wrong != nil {
		return wrong
	}
	_, err := ast.TransformRefs(rule, func(ref ast.Ref) (ast.Value, error) {
		if ref.HasPrefix(dataRef("lib")) {
			return moved(ref), nil
		}
		return ref, nil
	})
	if err != nil {
		return &refusal{placeOf(rule.Location), err}
	}
	return nil
}

// moved is where a reference below data.lib leads in a server: below data.libs.
func moved(ref ast.Ref) ast.Ref {
	return append(ast.Ref{ref[0], ast.StringTerm("libs")}, ref[1:]...) // with its own data, which knows the row
}
