package expansion

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
)

const (
	group = "expansion.gatekeeper.sh"
	kind  = "ExpansionTemplate"
	// maxName is the longest name that Gatekeeper takes.
	maxName = 63
)

// template is one ExpansionTemplate. It is immutable.
type template struct {
	name        string
	document    policies.Document
	spec        spec
	applyTo     []schema.GroupVersionKind
	source      []string
	makes       schema.GroupVersionKind
	enforcement policies.Enforcement
}

type spec struct {
	ApplyTo []struct {
		Groups   []string `json:"groups"`
		Versions []string `json:"versions"`
		Kinds    []string `json:"kinds"`
	} `json:"applyTo"`
	TemplateSource string `json:"templateSource"`
	GeneratedGVK   struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	} `json:"generatedGVK"`
	EnforcementAction string `json:"enforcementAction"`
}

// read reads one ExpansionTemplate.
func read(d policies.Document) (*template, *policies.Fault) {
	t := &template{name: d.Object.GetName(), document: d}
	if version := d.Object.GroupVersionKind().Version; !slices.Contains([]string{"v1alpha1", "v1beta1"}, version) {
		return nil, d.Fault(fmt.Errorf("version %s is none of v1beta1 and v1alpha1", version), "apiVersion")
	}
	if len(t.name) > maxName {
		return nil, d.Fault(fmt.Errorf("metadata.name is longer than %d characters", maxName), "metadata", "name")
	}
	if fault := d.Spec(&t.spec); fault != nil {
		return nil, fault
	}
	for _, apply := range t.spec.ApplyTo {
		for _, g := range apply.Groups {
			for _, v := range apply.Versions {
				for _, k := range apply.Kinds {
					t.applyTo = append(t.applyTo, schema.GroupVersionKind{Group: g, Version: v, Kind: k})
				}
			}
		}
	}
	return t, t.complete()
}

// complete reads what is left, and says what is missing or makes no sense.
func (t *template) complete() *policies.Fault {
	d, made := t.document, t.spec.GeneratedGVK
	wild := func(gvk schema.GroupVersionKind) bool {
		return gvk.Group == "*" || gvk.Version == "*" || gvk.Kind == "*"
	}
	switch {
	case len(t.applyTo) == 0:
		return d.Fault(errors.New("spec.applyTo names no kind of object; give groups, versions and kinds"), "spec", "applyTo")
	case slices.ContainsFunc(t.applyTo, wild):
		return d.Fault(errors.New(`spec.applyTo has "*", which stands for nothing there; name groups, versions and kinds`), "spec", "applyTo")
	case t.spec.TemplateSource == "":
		return d.Fault(errors.New("spec.templateSource is missing; it is where the objects have what they imply, as spec.template"), "spec")
	case made.Version == "" || made.Kind == "":
		return d.Fault(errors.New("spec.generatedGVK needs a version and a kind; they are those of what is implied"), "spec", "generatedGVK")
	}
	t.makes = schema.GroupVersionKind(made)
	t.source = strings.Split(t.spec.TemplateSource, ".")
	if slices.Contains(t.source, "") {
		return d.Fault(fmt.Errorf("spec.templateSource %q is not a path of fields with dots between them, as spec.template",
			t.spec.TemplateSource), "spec", "templateSource")
	}
	switch t.spec.EnforcementAction {
	case "":
	case "deny":
		t.enforcement = policies.EnforceDeny
	case "warn":
		t.enforcement = policies.EnforceWarn
	case "dryrun":
		t.enforcement = policies.EnforceAudit
	default:
		return d.Fault(fmt.Errorf("enforcementAction %q is none of deny, warn and dryrun; leave it out for that of each constraint",
			t.spec.EnforcementAction), "spec", "enforcementAction")
	}
	return nil
}
