package native

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Helper is a helper package of the library in the words of its METADATA. Every policy may import it.
type Helper struct {
	Name        string       `json:"name"` // "portcullis.kubernetes", which a policy imports as data.portcullis.kubernetes
	Title       string       `json:"title"`
	Description string       `json:"description"`
	Rules       []HelperRule `json:"rules"` // in the order of the source
	Source      string       `json:"-"`     // its Rego
}

// HelperRule is what a helper package gives to those who import it.
type HelperRule struct {
	Call        string `json:"call"` // as it is written, "kubernetes.containers" or "quantities.limit(of, resource)"
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Helpers are the helper packages of the library, by name.
func (r *Reader) Helpers() []Helper {
	var out []Helper
	for _, path := range r.shared {
		out = append(out, helperOf(r.library[path.String()]))
	}
	slices.SortFunc(out, func(a, b Helper) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Helper finds a helper package by its name, with or without "data." before it.
func (r *Reader) Helper(name string) (Helper, bool) {
	all := r.Helpers()
	i := slices.IndexFunc(all, func(h Helper) bool { return h.Name == strings.TrimPrefix(name, "data.") })
	if i < 0 {
		return Helper{}, false
	}
	return all[i], true
}

func helperOf(modules []module) Helper {
	m := modules[0]
	h := Helper{Name: identity(m.Package.Path), Source: string(m.text)}
	_, short := cutLast(h.Name, ".")
	for _, a := range m.Annotations {
		said := strings.Join(strings.Fields(a.Description), " ")
		if a.Scope == "package" {
			h.Title, h.Description = a.Title, said
			continue
		}
		path := a.GetTargetPath()
		name, _ := path[len(path)-1].Value.(ast.String)
		h.Rules = append(h.Rules, HelperRule{Call: short + "." + string(name) + arguments(m, string(name)), Title: a.Title, Description: said})
	}
	return h
}

// arguments are those of a function as its first rule names them, in brackets. One without a name is called as what it is, a value.
func arguments(m module, rule string) string {
	for _, r := range m.Rules {
		if r.Head.Ref()[0].Value.Compare(ast.Var(rule)) != 0 || len(r.Head.Args) == 0 {
			continue
		}
		var names []string
		for _, arg := range r.Head.Args {
			name := "value"
			if v, ok := arg.Value.(ast.Var); ok && !v.IsGenerated() && !v.IsWildcard() {
				name = string(v)
			}
			names = append(names, name)
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	return ""
}

// cutLast cuts a text around the last separator.
func cutLast(text, separator string) (before, after string) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return "", text
	}
	return text[:at], text[at+len(separator):]
}
