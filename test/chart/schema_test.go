package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/test/release"
	"github.com/portcullis-dev/portcullis/webhook"
)

func TestWrongValuesAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		"replicaCount=0":                                                    "at '/replicaCount'",
		"resources.limits.memory=lots":                                      "at '/resources/limits/memory'",
		"resources.limits.memory=200Mi":                                     "resources.limits.memory 200Mi has no room for the longest review; give at least 240Mi, or let only shorter ones in, by extraArgs with --max-review-bytes=BYTES",
		"resources.limits.memory=0.2G":                                      "resources.limits.memory 0.2G has no room",
		"podLabels.app\\.kubernetes\\.io/name=evil":                         "podLabels has app.kubernetes.io/name, which is the chart's own; choose another label",
		"commonLabels.helm\\.sh/chart=evil":                                 "commonLabels has helm.sh/chart, which is the chart's own; choose another label",
		"podAnnotations.policies\\.portcullis\\.dev/x=evil":                 "podAnnotations has policies.portcullis.dev/x, which is the chart's own; policies of the library are put in force by policies.library.names",
		"extraArgs={--log-level=debug}":                                     "extraArgs has --log-level, which the chart sets; use the value that is for it",
		"clientCA.secretName=a":                                             "clientCA needs clientCA.names: the names in the API server's certificate, or * for every certificate of that authority",
		"clientCA.names={a}":                                                "clientCA.names needs clientCA.secretName or clientCA.configMapName: the authority by which the certificates of callers are checked",
		"clientCA.names={a},clientCA.secretName=a,clientCA.configMapName=b": "clientCA.secretName and clientCA.configMapName name two authorities; give one of them",
		"decisionLog.stdout=true,decisionLog.file.enabled=true":             "decisionLog.stdout and decisionLog.file.enabled name two places for one log; give one of them",
		"decisionLog.http.tokenSecretName=a":                                "decisionLog.http.caSecretName and decisionLog.http.tokenSecretName need decisionLog.http.url",
		"decisionLog.allows=0.5":                                            "decisionLog.events, decisionLog.erase and decisionLog.allows need a place that decisions are written to: decisionLog.stdout, decisionLog.file.enabled or decisionLog.http.url",
		"decisionLog.stdout=true,decisionLog.events=true":                   "decisionLog.events needs clientCA: whoever else could send events could write evidence",
		"decisionLog.http.url=http://logs.example.com":                      "at '/decisionLog/http/url'",
		"decisionLog.allows=1.5":                                            "at '/decisionLog/allows'",
		"decisionLog.file.age=7d":                                           "at '/decisionLog/file/age'",
		"audit.decisionLog=true":                                            "at '/audit': additional properties 'decisionLog' not allowed",
		"replicas=3":                                                        "additional properties 'replicas' not allowed",
		"image.tagg=1":                                                      "additional properties 'tagg' not allowed",
		"tls.mode=selfsigned":                                               "value must be one of 'self-signed', 'cert-manager', 'existing-secret'",
		"tls.mode=existing-secret":                                          "at '/tls/secretName'",
		"tls.certManager.issuerRef.kind=Issuer":                             "properties 'name' required",
		"image.digest=sha256:12":                                            "at '/image/digest'",
		"webhook.failurePolicy=Fail":                                        "value must be one of '', 'Ignore'",
		"webhook.timeoutSeconds.mutate=31":                                  "maximum: got 31, want 30",
		"terminationGracePeriodSeconds=10":                                  "minimum: got 10, want 30",
		"policies.library.names={pods.privilegd}":                           "at '/policies/library/names/0'",
		"rbac.inventory[0].apiGroup=*":                                      "at '/rbac/inventory/0/apiGroup'",
		"podDisruptionBudget.maxUnavailable=0":                              "at '/podDisruptionBudget/maxUnavailable'",
	} {
		_, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", Set: []string{set}}.Render(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v", set, err)
		}
	}
}

func TestRightValuesAreNot(t *testing.T) {
	for _, set := range []string{
		"resources.limits.memory=240Mi", "resources.limits.memory=1G", "resources.limits.memory=1.5Gi", "resources.limits.memory=1e9", "resources.limits.memory=536870912",
		"resources.limits.memory=64Mi,extraArgs={--max-review-bytes=1048576}", "extraArgs={--policies=library:pods.privileged,--drain=10s}",
	} {
		text, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", Set: []string{set}}.Render(t.Context(), true)
		if err != nil || !strings.Contains(text, "--memory-limit=$(MEMORY_LIMIT)") {
			t.Errorf("--set %s: %v", set, err)
		}
	}
	// The least that the chart lets pass is the least with which a server starts.
	if least := 2 * webhook.LeastBudget(webhook.DefaultMaxAdmission); least != 240<<20 {
		t.Errorf("a server needs %d bytes", least)
	}
}

// TestSchemaHasEveryValue: a key of values.yaml which the schema does not describe would be refused.
func TestSchemaHasEveryValue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "charts", "portcullis", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	text, err = os.ReadFile(filepath.Join(root, "charts", "portcullis", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, schema map[string]any, values map[string]any)
	compare = func(path string, schema map[string]any, values map[string]any) {
		properties, ok := schema["properties"].(map[string]any)
		if !ok { // a map whose keys are the user's
			return
		}
		if _, ok := schema["additionalProperties"].(map[string]any); ok { // a map of which some keys are known
			return
		}
		if closed, ok := schema["additionalProperties"].(bool); !ok || closed {
			t.Errorf("%s may have unknown keys", path)
		}
		for key := range properties {
			// A parent chart gives every chart its globals.
			if _, ok := values[key]; !ok && key != "global" && values != nil && len(values) > 0 && path != ".resources" {
				t.Errorf("%s.%s is in the schema and has no default", path, key)
			}
		}
		for key, value := range values {
			described, ok := properties[key].(map[string]any)
			if !ok {
				t.Errorf("%s.%s has a default and is not in the schema", path, key)
				continue
			}
			if below, ok := value.(map[string]any); ok {
				compare(path+"."+key, described, below)
			}
		}
	}
	compare("", schema, values)
}

func TestREADMEIsCurrent(t *testing.T) {
	binary, err := filepath.Abs(filepath.Join(root, "bin", "helm-docs"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "--chart-search-root=charts/portcullis", "--skip-version-footer", "--dry-run", "--log-level=error")
	cmd.Dir = root
	var errs bytes.Buffer
	cmd.Stderr = &errs
	want, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s; run `make bin/helm-docs`", err, &errs)
	}
	got, err := os.ReadFile(filepath.Join(root, "charts", "portcullis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(got)) != strings.TrimSpace(string(want)) {
		t.Error("charts/portcullis/README.md is not what values.yaml says; run `make chart UPDATE=1`")
	}
	for line := range strings.Lines(string(got)) {
		if strings.HasSuffix(strings.TrimSpace(line), "|  |") {
			t.Errorf("a value is not documented: %s", line)
		}
	}
}
