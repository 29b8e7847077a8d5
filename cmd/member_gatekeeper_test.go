package cmd

import (
	"context"
	"log/slog"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
)

// What anybody may send whom the API server lets does not put out of force what an operator put beside the server.
func TestAFilesMutatorStands(t *testing.T) {
	document := func(file, name string) policies.Document {
		return policies.Document{
			File: file, At: func(...string) string { return file + ":1" },
			Object: &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "mutations.gatekeeper.sh/v1", "kind": "AssignMetadata", "metadata": map[string]any{"name": name},
				"spec": map[string]any{"location": "metadata.labels.team", "parameters": map[string]any{"assign": map[string]any{"value": file}}},
			}},
		}
	}
	bundle := func(listed bool, documents ...policies.Document) policies.Source {
		return policies.SourceFunc(func(ctx context.Context, yield func(policies.Bundle)) error {
			yield(policies.Bundle{Documents: documents, Listed: listed})
			<-ctx.Done()
			return nil
		})
	}
	mutators := &Mutators{log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	loader := &policies.Loader{
		Engine: &policies.Engine{}, Suffice: anyMutator,
		Sources: []policies.Source{bundle(true, document("assignmetadata/team", "team"), document("assignmetadata/other", "other")), bundle(false, document("mine.yaml", "team"))},
		Report: func(load policies.Load) {
			mutators.take(&load)
			const want = "assignmetadata/team:1: AssignMetadata team: it is also defined in mine.yaml:1, and that one is applied; give one of them another name"
			if len(load.Fatal) > 0 || load.Faults.Error() != want {
				t.Errorf("%v, of which a server would end: %v", load.Faults, load.Fatal)
			}
			cancel()
		},
	}
	if err := loader.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, m := range mutators.current.Load().members() {
		if m.ID().Name == "team" && m.file != "mine.yaml" {
			t.Errorf("%s is applied", m.file)
		}
	}
	if got := len(mutators.current.Load().members()); got != 2 {
		t.Errorf("%d mutators are applied", got)
	}
}

func TestWhatGatekeeperNeeds(t *testing.T) {
	for _, c := range []struct {
		flags memberFlags
		want  string
	}{
		{memberFlags{name: "portcullis", gatekeeper: true, policies: true}, "--cluster-policies needs a cluster: add --in-cluster or --kubeconfig FILE"},
		{memberFlags{name: "portcullis", inCluster: true, gatekeeper: true}, "--gatekeeper goes with --cluster-policies"},
		{
			memberFlags{name: "portcullis", inCluster: true, policies: true, gatekeeper: true, gatekeeperNamespace: "a/b"},
			`--gatekeeper-namespace "a/b" is not the name of a namespace: lower case letters, digits and dashes`,
		},
	} {
		if err := c.flags.check(); err == nil || err.Error() != c.want {
			t.Error(err)
		}
	}
}
