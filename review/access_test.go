package review

import (
	"encoding/json"
	"testing"
)

// Each of the two authorizers has one answer it can give. The other's is no opinion: an allow before RBAC would bypass it.
func TestAnAccessReviewIsAnsweredByItsStagesOneWordOnly(t *testing.T) {
	const (
		noOpinion = `{"allowed":false}`
		body      = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"jane","resourceAttributes":{"verb":"get"}}}`
	)
	finding := func(effect Effect) []Finding { return []Finding{{Policy: "p", Effect: effect, Message: "why"}} }
	for _, c := range []struct {
		stage    Stage
		decision Decision
		want     string
	}{
		{Guard, Decision{Verdict: Deny, Findings: finding(EffectDeny)}, `{"allowed":false,"denied":true,"reason":"p: why"}`},
		{Guard, Decision{Verdict: Allow, Findings: finding(EffectAllow)}, noOpinion},
		{Guard, Decision{Verdict: NoOpinion}, noOpinion},
		{Grant, Decision{Verdict: Allow, Findings: finding(EffectAllow)}, `{"allowed":true,"reason":"p: why"}`},
		{Grant, Decision{Verdict: Deny, Findings: finding(EffectDeny)}, noOpinion},
		{Grant, Decision{Verdict: NoOpinion}, noOpinion},
	} {
		dialect := map[Stage]Dialect{Guard: DialectGuard, Grant: DialectGrant}[c.stage]
		_, answer, err := dialect([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(answer(c.decision))
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Status json.RawMessage }
		if err := json.Unmarshal(text, &got); err != nil || string(got.Status) != c.want {
			t.Errorf("%s at %s: %s %v, want %s", c.decision.Verdict, c.stage, got.Status, err, c.want)
		}
	}
}
