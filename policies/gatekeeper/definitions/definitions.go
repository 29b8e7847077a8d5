package definitions

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

//go:embed schemas/*.yaml
var schemas embed.FS

type props = apiextensionsv1.JSONSchemaProps

// kind is one kind of Gatekeeper's.
type kind struct {
	group, kind, plural string
	namespaced          bool
	// versions are the served ones, of which the first is stored: it is one that Gatekeeper serves, too, or else its own definition could
	// never take the place of ours.
	versions []string
	schema   func(version string) (props, error) // of spec
	columns  []apiextensionsv1.CustomResourceColumnDefinition
}

// kinds are those whose objects Portcullis reads. The kinds of constraints come with their templates.
func kinds() []kind {
	mutator := func(name string, versions []string, parameters ...string) kind {
		return kind{group: "mutations.gatekeeper.sh", kind: name, plural: strings.ToLower(name), versions: versions, schema: mutatorSchema(name, parameters)}
	}
	all := []string{"v1", "v1beta1", "v1alpha1"}
	created := apiextensionsv1.CustomResourceColumnDefinition{Name: "Created", Type: "boolean", JSONPath: ".status.created", Description: "Whether the kind of its constraints is served"}
	return []kind{
		{
			group: "templates.gatekeeper.sh", kind: "ConstraintTemplate", plural: "constrainttemplates", versions: all, schema: templateSchema,
			columns: []apiextensionsv1.CustomResourceColumnDefinition{created},
		},
		{group: "config.gatekeeper.sh", kind: "Config", plural: "configs", namespaced: true, versions: []string{"v1alpha1"}, schema: from("config")},
		{group: "syncset.gatekeeper.sh", kind: "SyncSet", plural: "syncsets", versions: []string{"v1alpha1"}, schema: from("syncset")},
		mutator("Assign", all, "assign", "pathTests"),
		mutator("AssignImage", []string{"v1alpha1"}, "assignDomain", "assignPath", "assignTag", "pathTests"),
		mutator("AssignMetadata", all, "assign"),
		mutator("ModifySet", all, "operation", "pathTests", "values"),
		{
			group: "expansion.gatekeeper.sh", kind: "ExpansionTemplate", plural: "expansiontemplate", versions: []string{"v1alpha1", "v1beta1"},
			schema: expansionSchema,
		},
		{group: "externaldata.gatekeeper.sh", kind: "Provider", plural: "providers", versions: []string{"v1beta1", "v1alpha1"}, schema: providerSchema},
	}
}

// All returns the definitions, in the order in which they should be created. The caller may change them.
func All() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var out []*apiextensionsv1.CustomResourceDefinition
	for _, k := range kinds() {
		crd, err := k.definition()
		if err != nil {
			return nil, fmt.Errorf("the definition of %s: %w", k.kind, err)
		}
		out = append(out, crd)
	}
	return out, nil
}

// Names lists the names of the definitions.
func Names() (out []string) {
	for _, k := range kinds() {
		out = append(out, k.plural+"."+k.group)
	}
	return out
}

func (k kind) definition() (*apiextensionsv1.CustomResourceDefinition, error) {
	singular := strings.ToLower(k.kind)
	scope := apiextensionsv1.ClusterScoped
	if k.namespaced {
		scope = apiextensionsv1.NamespaceScoped
	}
	crd := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: k.plural + "." + k.group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: k.group, Scope: scope,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: k.kind, ListKind: k.kind + "List", Plural: k.plural, Singular: singular},
		},
	}
	for i, version := range k.versions {
		spec, err := k.schema(version)
		if err != nil {
			return nil, err
		}
		crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: version, Served: true, Storage: i == 0,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &props{
				Type: "object", Properties: map[string]props{
					"apiVersion": {Type: "string"},
					"kind":       {Type: "string"},
					"metadata":   {Type: "object", Properties: map[string]props{"name": {Type: "string", MaxLength: new(int64(63))}}},
					"spec":       spec,
					"status":     statusSchema(),
				},
			}},
			Subresources:             &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			AdditionalPrinterColumns: k.columns,
		})
	}
	return crd, nil
}

// statusSchema keeps what Gatekeeper writes there, and the conditions that can be waited for.
func statusSchema() props {
	return props{Type: "object", XPreserveUnknownFields: new(true), Properties: map[string]props{
		"created": {Type: "boolean", Description: "Whether the kind of the template's constraints is served."},
		"byPod": {
			Type: "array", Description: "What each server made of the object.",
			Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &props{Type: "object", XPreserveUnknownFields: new(true)}},
		},
	}}
}

func read(name string) (out props, err error) {
	text, err := schemas.ReadFile("schemas/" + name + ".yaml")
	if err != nil {
		return out, err
	}
	return out, yaml.UnmarshalStrict(text, &out)
}

func from(name string) func(string) (props, error) {
	return func(string) (props, error) { return read(name) }
}

// templateSchema has the default of legacySchema, which is another in each version, so that an object that is stored in v1 keeps it.
func templateSchema(version string) (props, error) {
	spec, err := read("template")
	if err != nil {
		return spec, err
	}
	crd := spec.Properties["crd"]
	of := crd.Properties["spec"]
	validation := of.Properties["validation"]
	legacy := validation.Properties["legacySchema"]
	legacy.Default = &apiextensionsv1.JSON{Raw: []byte("false")}
	if version != "v1" {
		legacy.Default = &apiextensionsv1.JSON{Raw: []byte("true")}
		validation.Default = &apiextensionsv1.JSON{Raw: []byte("{}")}
	}
	validation.Properties["legacySchema"] = legacy
	of.Properties["validation"] = validation
	return spec, nil
}

// mutatorSchema is that of a mutator whose parameters have these fields.
func mutatorSchema(name string, parameters []string) func(string) (props, error) {
	return func(string) (props, error) {
		spec, err := read("mutator")
		if err != nil {
			return spec, err
		}
		fields, err := read("parameters")
		if err != nil {
			return spec, err
		}
		maps.DeleteFunc(fields.Properties, func(field string, _ props) bool { return !slices.Contains(parameters, field) })
		spec.Properties["parameters"] = fields
		if spec.Properties["match"], err = gatekeeper.MatchSchema(); err != nil {
			return spec, err
		}
		if name != "AssignMetadata" {
			spec.Properties["applyTo"], err = read("applyto")
		}
		return spec, err
	}
}

func expansionSchema(string) (props, error) {
	spec, err := read("expansion")
	if err != nil {
		return spec, err
	}
	spec.Properties["applyTo"], err = read("applyto")
	return spec, err
}

func providerSchema(version string) (props, error) {
	spec, err := read("provider")
	if err == nil && version == "v1alpha1" {
		spec.Properties["insecureTLSSkipVerify"] = props{Type: "boolean"}
	}
	return spec, err
}
