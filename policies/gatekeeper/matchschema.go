package gatekeeper

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// MatchSchema returns the schema of match, which constraints and mutators share. The caller may change it.
func MatchSchema() (apiextensionsv1.JSONSchemaProps, error) {
	var out apiextensionsv1.JSONSchemaProps
	if err := yaml.Unmarshal(matchYAML, &out); err != nil {
		return out, fmt.Errorf("the schema of match: %w", err)
	}
	return out, nil
}
