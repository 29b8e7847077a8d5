package chart

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

func TestLibraryPoliciesAreDocumentsOfOurOwn(t *testing.T) {
	server := pods(t, objects(t, render(t, values(t)["everything"])))["Deployment gate"]
	got := map[string]v1alpha1.Policy{}
	for _, volume := range server.Spec.Volumes {
		if volume.Name != "policies" {
			continue
		}
		for _, file := range volume.DownwardAPI.Items {
			key := strings.TrimSuffix(strings.TrimPrefix(file.FieldRef.FieldPath, "metadata.annotations['"), "']")
			var p v1alpha1.Policy
			if err := yaml.UnmarshalStrict([]byte(server.Annotations[key]), &p); err != nil {
				t.Errorf("%s: %v", file.Path, err)
			}
			got[file.Path] = p
		}
	}
	p := got["images.allowed_registries.yaml"]
	if p.Name != "images.allowed-registries" || p.Spec.Use != "images.allowed_registries" || p.Spec.Enforcement != "deny" || p.Spec.Parameters == nil {
		t.Errorf("the policy with a spec of its own is %+v", p)
	}
	if p := got["pods.privileged.yaml"]; p.Spec.Use != "pods.privileged" || p.Spec.Enforcement != "warn" {
		t.Errorf("the policy without one is %+v", p)
	}
}

// Who has just installed a release reads which policies are in force, or that none is.
func TestNotesSayWhatIsInForce(t *testing.T) {
	for set, want := range map[string]string{
		"log.level=info": "and they go with the release. Until there is a\npolicy nothing is judged. What is wrong",
		"policies.library.bundles={pss-baseline}": "These policies of the\nlibrary are in force as soon as the Pods run: pss-baseline. What",
		"policies.library.names={pods.privileged,pods.no_exec}": "These policies of the\nlibrary are in force as soon as the Pods run: pods.privileged, pods.no_exec. " +
			"What is wrong, if anything is, and what to do about it:\n\n  portcullis doctor --name portcullis --namespace guard\n",
		"policies.library.names={access.no_node_access,pods.privileged}": "WARNING: an API server asks at the stage guard only once it has been started to; until then this does nothing:\n" +
			"access.no_node_access. What it must be started with is printed, ",
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "helm"), "install", "portcullis", filepath.Join(root, "charts", "portcullis"),
			"--namespace=guard", "--dry-run=client", "--set="+set)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) || strings.Contains(set, "library") == strings.Contains(string(out), "nothing is judged") {
			_, notes, _ := strings.Cut(string(out), "\nNOTES:\n")
			t.Errorf("--set %s: %v\n%s", set, err, notes)
		}
	}
}
