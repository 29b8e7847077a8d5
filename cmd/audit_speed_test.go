package cmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
)

// standingPod is a Pod as an API server lists it: three containers and two managers of its fields, 8 kB in all. No policy of the library has
// anything to say about it.
func standingPod(name string) (audit.Object, json.RawMessage) {
	var containers, managed []string
	for _, container := range []string{"app", "proxy", "shipper"} {
		var env, fields []string
		for v := range 8 {
			env = append(env, fmt.Sprintf(`{"name":"SETTING_%d","value":"%s-%d.shop.example.com:8443"}`, v, container, v))
			fields = append(fields, fmt.Sprintf(`"k:{\"name\":\"SETTING_%d\"}":{".":{},"f:name":{},"f:value":{}}`, v))
		}
		probe := `{"httpGet":{"path":"/%s","port":8080,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}`
		containers = append(containers, fmt.Sprintf(`{"name":%q,"image":"registry.example.com/shop/%s:1.4.2","imagePullPolicy":"IfNotPresent",`+
			`"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"1","memory":"256Mi"}},"env":[%s],`+
			`"ports":[{"containerPort":8080,"name":"http","protocol":"TCP"}],"readinessProbe":%s,"livenessProbe":%s,`+
			`"volumeMounts":[{"name":"tmp","mountPath":"/tmp"},{"name":"config","mountPath":"/etc/app","readOnly":true}],`+
			`"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",`+
			`"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}}}`,
			container, container, strings.Join(env, ","), fmt.Sprintf(probe, "ready"), fmt.Sprintf(probe, "live")))
		managed = append(managed, fmt.Sprintf(`"k:{\"name\":\"%s\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:env":{".":{},%s}}`, container, strings.Join(fields, ",")))
	}
	about := audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Namespace: "shop", Name: name}
	return about, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":"shop","uid":"7b0e8a4e-0001-4d5e-9c1e-000000000001",`+
		`"labels":{"app.kubernetes.io/name":"app","app.kubernetes.io/version":"1.4.2"},"managedFields":[{"manager":"kubectl","operation":"Update",`+
		`"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:containers":{%s}}}}]},"spec":{"serviceAccountName":"app",`+
		`"automountServiceAccountToken":false,"securityContext":{"runAsNonRoot":true,"runAsUser":10001,"seccompProfile":{"type":"RuntimeDefault"}},`+
		`"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"1Gi"}},{"name":"config","configMap":{"name":"app","defaultMode":420}}],"containers":[%s]},`+
		`"status":{"phase":"Pending","qosClass":"Burstable"}}`, name, strings.Join(managed, ","), strings.Join(containers, ","))
}

// BenchmarkAuditJudge judges a Pod by the bundles of W10, on one processor after the other with -cpu 1.
func BenchmarkAuditJudge(b *testing.B) {
	judge := newAuditJudge(setOf(b, "library:pss-restricted", "library:best-practice"), nil)
	about, pod := standingPod("app-1")
	b.SetBytes(int64(len(pod)))
	b.ReportAllocs()
	for b.Loop() {
		if out, err := judge.Judge(b.Context(), about, pod, nil); err != nil || len(out.Results) > 0 {
			b.Fatal(err, out.Results)
		}
	}
}

// To judge a Pod may not come to allocate a fifth more than it does, which is the most part of what a sweep costs.
func TestAuditJudgeAllocates(t *testing.T) {
	judge := newAuditJudge(setOf(t, "library:pss-restricted", "library:best-practice"), nil)
	about, pod := standingPod("app-1")
	out, err := judge.Judge(t.Context(), about, pod, nil)
	if err != nil || len(out.Results) > 0 || len(out.Asked) < 20 {
		t.Fatal(err, out)
	}
	const most = 2850
	if n := testing.AllocsPerRun(20, func() { _, _ = judge.Judge(t.Context(), about, pod, nil) }); n > most {
		t.Errorf("a Pod of %d bytes takes %.0f allocations; at most %d are expected", len(pod), n, most)
	}
}
