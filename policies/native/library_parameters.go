package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// LibraryParameters are given, by their names, to all policies of the library that are put in force by name and have a parameter called so.
type LibraryParameters map[string]json.RawMessage

// podTemplates is the parameter that says where custom resources have their Pod templates. Who is given it is asked about these, too.
const podTemplates = "podTemplates"

// ReadLibraryParameters reads them from YAML or JSON.
func ReadLibraryParameters(text []byte) (LibraryParameters, error) {
	var out LibraryParameters
	err := yaml.UnmarshalStrict(text, &out)
	switch {
	case err != nil:
		return nil, fmt.Errorf("parameters are names with their values, as podTemplates: {rollouts.argoproj.io: spec.template}: %w", err)
	case len(out) == 0:
		return nil, errors.New("there are no parameters in it; write names with their values, as podTemplates: {rollouts.argoproj.io: spec.template}")
	case out[versionParameter] != nil:
		return nil, errors.New("the version is given with the name of a policy or bundle, as library:pss-restricted@v1.30; leave it out here")
	}
	return out, nil
}

// declared returns the METADATA of a policy of the library, and the parameters that it has.
func (b *bundle) declared(name string) (meta metadata, parameters []string, err error) {
	if meta, _, err = readMetadata(b.packages[b.lookup(name)]); err != nil {
		return meta, nil, err
	}
	s, err := newSchema(meta.Parameters, nil)
	if err != nil {
		return meta, nil, err
	}
	parameters, _ = s.names()
	return meta, parameters, nil
}

// given makes of what a policy is given by name what a document would say of it.
func (m metadata) given(declared []string, version string, all LibraryParameters) (over v1alpha1.PolicySpec, err error) {
	values := LibraryParameters{}
	for _, name := range declared {
		if value, ok := all[name]; ok {
			values[name] = value
		}
	}
	if version != "" {
		if values[versionParameter], err = json.Marshal(version); err != nil {
			return over, err
		}
	}
	if len(values) == 0 {
		return over, nil
	}
	text, err := json.Marshal(map[string]any{"parameters": values})
	if err == nil {
		err = json.Unmarshal(text, &over)
	}
	if err != nil {
		return over, err
	}
	var templates map[string]string
	if json.Unmarshal(values[podTemplates], &templates) == nil && m.Match != nil { // what is no such map the schema refuses
		own := m.Match.Resources
		more := slices.DeleteFunc(slices.Sorted(maps.Keys(templates)), func(resource string) bool { return slices.Contains(own, resource) })
		over.Match = &v1alpha1.Match{Resources: slices.Concat(own, more)}
	}
	return over, nil
}

// taken returns an error for a parameter that is not among those known.
func taken(name string, known []string) error {
	if slices.Contains(known, name) {
		return nil
	}
	remedy := "leave it out"
	if near := spelling.Nearest(name, known...); near != "" {
		remedy = fmt.Sprintf("did you mean %s?", near)
	}
	return fmt.Errorf("the library's parameter %q: no policy that is put in force by name has it; %s", name, remedy)
}
