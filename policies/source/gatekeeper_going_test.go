package source

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"

	"github.com/portcullis-dev/portcullis/policies/native"
)

// A template that is deleted takes its constraints along, whether it is heard of that first or of the kind that goes with it. Neither is a fault.
func TestConstraintsGoWithTheirTemplate(t *testing.T) {
	templatesAt := schema.GroupVersionResource{Group: templateGroup, Version: "v1", Resource: "constrainttemplates"}
	constraintsAt := schema.GroupVersionResource{Group: constraintGroup, Version: "v1beta1", Resource: "owner"}
	template := &unstructured.Unstructured{Object: map[string]any{"apiVersion": templateGroup + "/v1", "kind": "ConstraintTemplate", "metadata": map[string]any{"name": "owner"}}}
	constraint := &unstructured.Unstructured{Object: map[string]any{"apiVersion": constraintGroup + "/v1beta1", "kind": "Owner", "metadata": map[string]any{"name": "all"}}}
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "constrainttemplates." + templateGroup},
	}}
	leaving := template.DeepCopy()
	leaving.SetDeletionTimestamp(&metav1.Time{Time: time.Now()})
	for name, c := range map[string]struct {
		heard   []*unstructured.Unstructured // which templates this server knows of
		there   []runtime.Object
		trouble error // with the constraints' kind
		files   int
		faults  int
	}{
		"both are there":                         {[]*unstructured.Unstructured{template}, []runtime.Object{template, crd}, nil, 2, 0},
		"the template is gone":                   {nil, []runtime.Object{crd}, nil, 0, 0},
		"the template is being deleted":          {[]*unstructured.Unstructured{leaving}, []runtime.Object{leaving, crd}, errKindGone, 0, 0},
		"the kind was sooner":                    {[]*unstructured.Unstructured{template}, []runtime.Object{crd}, errKindGone, 1, 0},
		"the kind was sooner, in the foreground": {[]*unstructured.Unstructured{template}, []runtime.Object{leaving, crd}, errKindGone, 1, 0},
		"the kind alone":                         {[]*unstructured.Unstructured{template}, []runtime.Object{template, crd}, errKindGone, 2, 1},
		"the kind of templates, too":             {[]*unstructured.Unstructured{template}, nil, errKindGone, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
				templatesAt: "ConstraintTemplateList", constraintsAt: "OwnerList", crdResource(): "CustomResourceDefinitionList",
			}, c.there...)
			g := &Gatekeeper{client: client, Log: slog.New(slog.DiscardHandler)}
			following := func(at schema.GroupVersionResource, trouble error, objects ...*unstructured.Unstructured) *followedKind {
				k := (&kind{client: client, resource: at, custom: true, files: g.filesOf, held: map[string][]native.File{}}).watched()
				k.trouble = trouble
				for _, u := range objects {
					k.held["/"+u.GetName()] = g.filesOf(u)
				}
				return &followedKind{kind: k, at: at}
			}
			f := &theirFollower{
				of:          g,
				own:         map[gatekeeperKind]*followedKind{theTemplates(): following(templatesAt, nil, c.heard...)},
				constraints: map[string]*followedKind{"owner": following(constraintsAt, c.trouble, constraint)},
			}
			files, troubles, unlisted := f.read(t.Context())
			if len(files) != c.files || len(troubles) != c.faults || errors.Is(unlisted, errKindGone) {
				t.Errorf("%d files, want %d; %v, want %d; %v", len(files), c.files, troubles, c.faults, unlisted)
			}
		})
	}
}
