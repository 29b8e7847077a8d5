package native

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// Description is a policy of the library in the words of its METADATA.
type Description struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Severity    string          `json:"severity"`
	Controls    []string        `json:"controls"`
	Bundles     []string        `json:"bundles"` // those it is in
	Stages      []review.Stage  `json:"stages"`  // those it is asked at
	Match       *v1alpha1.Match `json:"match,omitempty"`
	Data        []string        `json:"data,omitempty"` // kinds of the cluster's objects that it reads
	Enforcement string          `json:"enforcement"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // the JSON schema of its parameters
	Related     []Reference     `json:"related"`
	Source      string          `json:"-"` // its Rego
}

// Reference is a text elsewhere that a policy names.
type Reference struct {
	URL         string `json:"url"`
	Description string `json:"description"`
}

// Describe returns what a policy of the library says of itself, whether or not it can be in force without parameters. The error about a name that
// is not there names those near to it.
func (r *Reader) Describe(name string) (Description, error) {
	b := bundle{reader: r, packages: r.library, shared: r.shared, own: map[string]bool{}}
	path := b.lookup(name)
	if !strings.HasPrefix(path, libraryPrefix) {
		return Description{}, r.unknown(name)
	}
	modules := b.packages[path]
	meta, _, err := readMetadata(modules)
	if err != nil {
		return Description{}, err
	}
	matched := narrow(meta.Match, nil)
	asked, err := rules(modules, matched.Stage, b.readsSpec(path))
	if err != nil {
		return Description{}, err
	}
	d := Description{
		Name: name, Title: meta.title, Description: meta.description, Severity: meta.Severity, Controls: append([]string{}, meta.Controls...),
		Bundles: []string{}, Match: meta.Match, Data: meta.Data, Enforcement: first(meta.Enforcement, "deny"), Parameters: meta.Parameters,
		Related: []Reference{}, Source: string(modules[0].text),
	}
	for _, rule := range asked {
		if !slices.Contains(d.Stages, rule.Stage) {
			d.Stages = append(d.Stages, rule.Stage)
		}
	}
	for _, l := range r.bundles {
		if slices.Contains(l.Policies, name) {
			d.Bundles = append(d.Bundles, l.Name)
		}
	}
	for _, a := range modules[0].Annotations {
		if a.Scope != "package" {
			continue
		}
		for _, related := range a.RelatedResources {
			d.Related = append(d.Related, Reference{related.Ref.String(), related.Description})
		}
	}
	return d, nil
}

// Topic is the first part of its name.
func (d Description) Topic() string {
	topic, _, _ := strings.Cut(d.Name, ".")
	return topic
}

// Matches says in words what it is asked about.
func (d Description) Matches() string {
	switch {
	case slices.Contains(d.Stages, review.Authenticate):
		return "every token"
	case slices.Equal(d.Stages, []review.Stage{review.Image}):
		return "every image"
	}
	var m v1alpha1.Match
	if d.Match != nil {
		m = *d.Match
	}
	access := slices.Contains(d.Stages, review.Guard) || slices.Contains(d.Stages, review.Grant)
	out := "everything"
	if len(m.Resources) > 0 && !slices.Contains(m.Resources, "*") && !slices.Contains(m.Resources, "*/*") {
		out = strings.Join(m.Resources, ", ")
	}
	switch {
	case len(m.Operations) > 0 && !slices.Contains(m.Operations, "*"):
		out += " on " + spelling.Listed(m.Operations, "and")
	case access:
		out += " on all verbs"
	case len(m.Operations) > 0:
		out += " on all operations"
	default:
		out += " on CREATE and UPDATE"
	}
	if len(m.Changes) > 0 {
		out += "; an UPDATE only if it changes " + spelling.Listed(m.Changes, "or")
	}
	for _, condition := range []struct {
		name  string
		globs []string
	}{
		{"in the namespaces", m.Namespaces}, {"outside of the namespaces", m.ExcludeNamespaces}, {"by the users", m.Users}, {"by the groups", m.Groups},
	} {
		if len(condition.globs) > 0 {
			out += ", " + condition.name + " " + spelling.Listed(condition.globs, "and")
		}
	}
	if m.Labels != nil {
		out += ", with the labels " + metav1.FormatLabelSelector(m.Labels)
	}
	if m.NamespaceLabels != nil {
		out += ", in namespaces with the labels " + metav1.FormatLabelSelector(m.NamespaceLabels)
	}
	return out
}

// Refuses reports whether it says no to anything, so that its enforcement says what comes of that.
func (d Description) Refuses() bool {
	return slices.ContainsFunc(d.Stages, func(s review.Stage) bool { return s == review.Validate || s == review.Guard || s == review.Image })
}

// Parameter is one that a policy takes, or a member of one that is an object.
type Parameter struct {
	Name        string   // "issuers[].audiences" is a member of each element of a list
	Type        string   // "string", "list of object", in the words of JSON schema
	Limits      []string // what else its value must be, as "minimum 1" and "pattern ^a$"
	Required    bool
	Default     json.RawMessage // nil if it has none
	Description string
}

// Words are what it must be, and what it is if it is not given.
func (p Parameter) Words() []string {
	out := append([]string{p.Type}, p.Limits...)
	switch {
	case p.Default != nil:
		out = append(out, "default "+compact(p.Default))
	case p.Required:
		out = append(out, "required")
	}
	return out
}

// parameterSchema is the part of a JSON schema that a Description tells of.
type parameterSchema struct {
	Type        any                        `json:"type"`
	Description string                     `json:"description"`
	Default     json.RawMessage            `json:"default"`
	Required    []string                   `json:"required"`
	Properties  map[string]parameterSchema `json:"properties"`
	Additional  json.RawMessage            `json:"additionalProperties"`
	Items       *parameterSchema           `json:"items"`
	Enum        []any                      `json:"enum"`
	Pattern     string                     `json:"pattern"`
	Format      string                     `json:"format"`
	Minimum     json.Number                `json:"minimum"`
	Maximum     json.Number                `json:"maximum"`
	MinItems    json.Number                `json:"minItems"`
	MaxItems    json.Number                `json:"maxItems"`
	Not         json.RawMessage            `json:"not"`
	Examples    []json.RawMessage          `json:"examples"`
}

// schema reads what METADATA says of the parameters; newSchema has found it to be a JSON schema before.
func (d Description) schema() (out parameterSchema) {
	decoder := json.NewDecoder(bytes.NewReader(d.Parameters))
	decoder.UseNumber()
	_ = decoder.Decode(&out) // what is not written as a policy of the library should be is not told of
	return out
}

// Takes returns the parameters, those that are required first, each followed by its members.
func (d Description) Takes() []Parameter { return d.schema().members("") }

// Example is the first example of the parameters, as JSON; nil if there is none.
func (d Description) Example() json.RawMessage {
	if examples := d.schema().Examples; len(examples) > 0 {
		return examples[0]
	}
	return nil
}

func (s parameterSchema) members(prefix string) (out []Parameter) {
	required := func(name string) int {
		if slices.Contains(s.Required, name) {
			return 0
		}
		return 1
	}
	names := slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		return cmp.Or(cmp.Compare(required(a), required(b)), cmp.Compare(a, b))
	})
	for _, name := range names {
		p := s.Properties[name]
		out = append(out, Parameter{
			Name: prefix + name, Type: p.typed(), Limits: p.limits(), Required: required(name) == 0, Default: p.Default,
			Description: strings.Join(strings.Fields(p.Description), " "),
		})
		out = append(out, p.inside(prefix+name)...)
	}
	return out
}

// inside are the members of what a parameter holds.
func (s parameterSchema) inside(name string) []Parameter {
	var additional parameterSchema
	switch {
	case s.Items != nil:
		return s.Items.inside(name + "[]")
	case len(s.Properties) > 0:
		return s.members(name + ".")
	case json.Unmarshal(s.Additional, &additional) == nil:
		return additional.inside(name + ".*")
	}
	return nil
}

func (s parameterSchema) typed() string {
	var additional parameterSchema
	kind, _ := s.Type.(string)
	switch {
	case kind == "array" && s.Items != nil:
		return "list of " + s.Items.typed()
	case kind == "array":
		return "list"
	case kind == "object" && len(s.Properties) == 0 && json.Unmarshal(s.Additional, &additional) == nil && additional.Type != nil:
		return "map of " + additional.typed()
	case kind != "":
		return kind
	case string(s.Not) == "{}":
		return "must not be given"
	case len(s.Enum) > 0:
		return "one of " + compact(s.Enum)
	}
	if several, ok := s.Type.([]any); ok {
		return strings.Join(texts(several), " or ")
	}
	return "anything"
}

// limits are what a value must be beside its type; those of the elements of a list are told as its own.
func (s parameterSchema) limits() (out []string) {
	if len(s.Enum) > 0 && s.Type != nil {
		out = append(out, "one of "+compact(s.Enum))
	}
	for _, limit := range []struct{ name, value string }{
		{"minimum", s.Minimum.String()},
		{"maximum", s.Maximum.String()},
		{"at least", s.MinItems.String()},
		{"at most", s.MaxItems.String()},
		{"pattern", s.Pattern},
		{"format", s.Format},
	} {
		if limit.value != "" {
			out = append(out, limit.name+" "+limit.value)
		}
	}
	if s.Items != nil {
		out = append(out, s.Items.limits()...)
	}
	return out
}

func texts(values []any) (out []string) {
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			text = compact(value)
		}
		out = append(out, text)
	}
	return out
}

// compact is a value in one line of JSON.
func compact(value any) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // it was read from JSON
	return strings.TrimSpace(out.String())
}
