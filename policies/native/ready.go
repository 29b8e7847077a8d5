package native

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// ready is a Policy in the order in which people write one.
type ready struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Use         string `yaml:"use"`
		Parameters  any    `yaml:"parameters,omitempty"`
		Enforcement string `yaml:"enforcement,omitempty"`
	} `yaml:"spec"`
}

// Policy returns, in YAML, the Policy that puts a policy of the library in force. Its parameters are those of the first example in the METADATA,
// where there is one, and its name is one that an object of Kubernetes can have. A version that is not empty is given to a policy that takes one.
func (d Description) Policy(version string) ([]byte, error) {
	var p ready
	p.APIVersion, p.Kind, p.Spec.Use = v1alpha1.Group+"/"+v1alpha1.Version, policyKind, d.Name
	p.Metadata.Name = strings.ReplaceAll(d.Name, "_", "-")
	parameters := map[string]any{}
	if example := d.Example(); example != nil {
		// JSON is YAML: numbers and texts stay what they are.
		if err := yaml.Unmarshal(example, &parameters); err != nil {
			return nil, err
		}
	}
	if _, ok := d.schema().Properties[versionParameter]; ok && version != "" {
		parameters[versionParameter] = version
	}
	if len(parameters) > 0 {
		p.Spec.Parameters = parameters
	}
	if d.Refuses() {
		p.Spec.Enforcement = d.Enforcement
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(p); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}
