package mutators

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// largePod is a Pod as large as those of real clusters that carry managed fields, some 13 kB.
func largePod(b *testing.B) string {
	var containers []any
	for i := range 12 {
		var env []any
		for j := range 10 {
			env = append(env, map[string]any{"name": fmt.Sprintf("VARIABLE_%d", j), "value": fmt.Sprintf("value-%d-%d", i, j)})
		}
		containers = append(containers, map[string]any{
			"name": fmt.Sprintf("container-%d", i), "image": fmt.Sprintf("registry.example.com/team/app-%d:v1.2.3", i), "env": env,
			"resources": map[string]any{"limits": map[string]any{"cpu": "500m", "memory": "512Mi"}, "requests": map[string]any{"cpu": "100m", "memory": "128Mi"}},
			"ports":     []any{map[string]any{"containerPort": 8080 + i, "protocol": "TCP"}},
			"readinessProbe": map[string]any{
				"httpGet":       map[string]any{"path": "/healthz", "port": 8080 + i, "scheme": "HTTP"},
				"periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3,
			},
			"volumeMounts": []any{map[string]any{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "token", "readOnly": true}},
		})
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "large", "namespace": "prod", "labels": map[string]any{"app": "large"}},
		"spec": map[string]any{"containers": containers, "serviceAccountName": "default"},
	})
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

func BenchmarkChainReview(b *testing.B) {
	pod := largePod(b)
	req := question(b, "CREATE", "Pod", pod, "")
	set := edits(b,
		`{"policy":"a","set":["metadata","labels","example.com/team"],"value":"x"}`,
		`{"policy":"b","default":["spec","securityContext","runAsNonRoot"],"value":true}`,
		`{"policy":"c","append":["spec","tolerations"],"key":"key","value":{"key":"k","operator":"Exists"}}`,
	)
	for i := range 12 {
		set = append(set, edit(b, fmt.Sprintf(`{"policy":"d","default":["spec","containers",{"name":"container-%d"},"imagePullPolicy"],"value":"Always"}`, i)))
	}
	for _, c := range []struct {
		name  string
		edits []review.Edit
	}{{"unchanged", nil}, {"one label", set[:1]}, {"fifteen edits", set}} {
		chain := Chain{Ask(review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
			return review.Decision{Verdict: review.Allow, Edits: c.edits}, nil
		}))}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(pod)))
			for b.Loop() {
				if d, err := chain.Review(b.Context(), req); err != nil || (d.Patch == nil) != (c.edits == nil) {
					b.Fatal(d, err)
				}
			}
		})
	}
}
