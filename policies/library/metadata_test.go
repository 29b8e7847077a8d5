package library

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// said is what a METADATA says to the server.
type said struct {
	Severity string   `json:"severity"`
	Controls []string `json:"controls"`
	Match    *struct {
		Stage      any      `json:"stage"`
		Resources  []string `json:"resources"`
		Operations []string `json:"operations"`
		Changes    []string `json:"changes"`
	} `json:"match"`
	Parameters *jsonSchema `json:"parameters"`
	Data       []string    `json:"data"`
}

// jsonSchema is the part of JSON schema the library uses.
type jsonSchema struct {
	Type                 string                 `json:"type"`
	Description          string                 `json:"description"`
	AdditionalProperties any                    `json:"additionalProperties"`
	Properties           map[string]*jsonSchema `json:"properties"`
	Required             []string               `json:"required"`
	Items                *jsonSchema            `json:"items"`
	Default              any                    `json:"default"`
	Examples             []map[string]any       `json:"examples"`
}

// stages are those a policy is asked at.
func (s said) stages() []string {
	if s.Match == nil {
		return nil
	}
	switch stage := s.Match.Stage.(type) {
	case string:
		return []string{stage}
	case []any:
		var out []string
		for _, one := range stage {
			out = append(out, one.(string))
		}
		return out
	}
	return []string{"admission"}
}

// operations are those a policy is asked about on admission.
func (s said) operations() []string {
	if s.Match == nil || len(s.Match.Operations) == 0 {
		return []string{"CREATE", "UPDATE"}
	}
	return s.Match.Operations
}

// parameters are those the fixtures are judged with: the first example of the schema, or none, and the defaults.
func (s said) parameters() map[string]any {
	out := map[string]any{}
	if s.Parameters == nil {
		return out
	}
	for name, property := range s.Parameters.Properties {
		if property.Default != nil {
			out[name] = property.Default
		}
	}
	if len(s.Parameters.Examples) > 0 {
		maps.Copy(out, s.Parameters.Examples[0])
	}
	return out
}

// policy is a rule.rego with what its METADATA says.
type policy struct {
	name        string
	module      *ast.Module
	annotations *ast.Annotations
	said        said
}

func policies(t testing.TB) []policy {
	t.Helper()
	all := modules(t)
	var out []policy
	for _, name := range Names() {
		p := policy{name: name, module: all[File(name)]}
		for _, a := range p.module.Annotations {
			if a.Scope != "package" {
				continue
			}
			p.annotations = a
			text, err := json.Marshal(a.Custom["portcullis"])
			if err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(strings.NewReader(string(text)))
			if err := d.Decode(&p.said); err != nil {
				t.Fatalf("%s: custom.portcullis: %v", name, err)
			}
		}
		if p.annotations == nil {
			t.Fatalf("%s has no METADATA of its package", name)
		}
		out = append(out, p)
	}
	return out
}

// defines tells whether a policy has a rule of that name.
func (p policy) defines(rule string) bool {
	return slices.ContainsFunc(p.module.Rules, func(r *ast.Rule) bool {
		return string(r.Head.Name) == rule || r.Head.Ref()[0].Value.Compare(ast.Var(rule)) == 0
	})
}

// gives tells whether a policy gives something, an identity or a permission, rather than to refuse, warn or change.
func (p policy) gives() bool { return p.defines("allow") || p.defines("user") }

var parameterUsed = regexp.MustCompile(`input\.parameters\.(\w+)`)

// sharedParameters are those that are the same wherever they are, with a part of their schemas. What reads them are helper packages; and all rules
// of the Pod Security Standards have a version, those too that never changed.
var sharedParameters = map[string]string{
	"podTemplates": `"type":"object","description":"Where custom resources have their Pod template, by resource and group, as in ` +
		`{\"rollouts.argoproj.io\": \"spec.template\"}."`,
	"version": `"description":"The version of the Pod Security Standards to judge by, as v1.30, or latest. `,
}

// The METADATA are all the documentation there is, and all the server knows of a policy.
func TestMetadata(t *testing.T) {
	for _, p := range policies(t) {
		t.Run(p.name, func(t *testing.T) {
			if want := "data.portcullis.library." + p.name; p.module.Package.Path.String() != want {
				t.Errorf("the package is %s; the folder wants %s", p.module.Package.Path, want)
			}
			a := p.annotations
			if a.Title == "" || strings.HasSuffix(a.Title, ".") {
				t.Errorf("title %q: wants words without a full stop", a.Title)
			}
			if !sentence(a.Description) {
				t.Errorf("description %q: wants complete sentences", a.Description)
			}
			if len(a.RelatedResources) == 0 {
				t.Error("no related_resources")
			}
			for _, r := range a.RelatedResources {
				if r.Description == "" || r.Ref.Scheme != "https" {
					t.Errorf("related resource %s: wants https and a description", r.Ref.String())
				}
			}
			if !slices.Contains([]string{"low", "medium", "high", "critical"}, p.said.Severity) {
				t.Errorf("severity %q", p.said.Severity)
			}
			if p.said.Match == nil && !p.defines("user") {
				t.Error("no match: it would be asked about everything")
			}
			if slices.Contains(p.said.stages(), "admission") && len(p.said.Match.Resources) == 0 {
				t.Error("match.resources is empty")
			}
			checkParameters(t, p)
		})
	}
}

func checkParameters(t testing.TB, p policy) {
	t.Helper()
	used := map[string]bool{}
	for _, found := range parameterUsed.FindAllStringSubmatch(string(source(t, File(p.name))), -1) {
		used[found[1]] = true
	}
	s := p.said.Parameters
	if s == nil {
		if len(used) > 0 {
			t.Errorf("it reads the parameters %v and has no schema of them", used)
		}
		return
	}
	if s.Type != "object" || s.AdditionalProperties != false {
		t.Error("the schema of the parameters wants type object and additionalProperties false")
	}
	for name, property := range s.Properties {
		if text, shared := sharedParameters[name]; shared {
			if said, err := json.Marshal(property); err != nil || !strings.Contains(string(said), text) {
				t.Errorf("the parameter %s is not as everywhere, %s: %s, %v", name, text, said, err)
			}
			used[name] = true // by what is imported, or, of a rule that never changed, by nobody
		}
		if !used[name] && !strings.Contains(string(source(t, File(p.name))), "input.parameters[") {
			t.Errorf("the parameter %s is not used", name)
		}
		if (property.Default == nil) != slices.Contains(s.Required, name) {
			t.Errorf("the parameter %s wants either a default or to be required", name)
		}
		described(t, name, property)
	}
	for name := range used {
		if s.Properties[name] == nil {
			t.Errorf("the parameter %s is used and not in the schema", name)
		}
	}
	for _, name := range s.Required {
		if len(s.Examples) == 0 || s.Examples[0][name] == nil {
			t.Errorf("the required parameter %s is not in the first of the examples", name)
		}
	}
}

// described wants a sentence about a parameter, and about each member of the objects in it.
func described(t testing.TB, name string, s *jsonSchema) {
	t.Helper()
	if !sentence(s.Description) {
		t.Errorf("the parameter %s: description %q wants to be a complete sentence", name, s.Description)
	}
	for s.Items != nil {
		s = s.Items
	}
	for member, property := range s.Properties {
		described(t, path.Join(name, member), property)
	}
}

func sentence(text string) bool {
	return text != "" && strings.HasSuffix(text, ".") && strings.ToUpper(text[:1]) == text[:1] && !strings.Contains(text, "  ")
}
