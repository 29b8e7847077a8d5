package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/request"

	"github.com/portcullis-dev/portcullis/review"
)

// TestVerifiedByTheAPIServer passes answers of many shapes through the API server's own check of them.
func TestVerifiedByTheAPIServer(t *testing.T) {
	findings := [][]review.Finding{
		nil,
		{{Policy: "p", Effect: review.EffectDeny, Message: "no"}},
		{{Policy: "p", Effect: review.EffectDeny, Message: "broken", Fault: true}},
		{{Policy: "p", Effect: review.EffectWarn, Message: strings.Repeat("w", 1000)}, {Policy: "q", Effect: review.EffectAudit, Message: "seen"}},
	}
	patches := [][]byte{nil, []byte(`[{"op":"add","path":"/metadata/labels","value":{}}]`)}
	for _, path := range []string{"/validate", "/mutate"} {
		for _, verdict := range []review.Verdict{review.Deny, review.Allow, review.NoOpinion} {
			for i, found := range findings {
				for j, patch := range patches {
					name := fmt.Sprintf("%s %s %d %d", path, verdict, i, j)
					d := review.Decision{Verdict: verdict, Findings: found, Patch: patch, Revision: "r1"}
					w := post(handler(t, answering(d, nil)), path, admission)
					if w.Code != http.StatusOK {
						t.Errorf("%s: %d %s", name, w.Code, w.Body)
						continue
					}
					var answer admissionv1.AdmissionReview
					if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
						t.Fatal(err)
					}
					got, err := request.VerifyAdmissionResponse("705ab4f5", path == "/mutate", &answer)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					if got.Allowed != (verdict == review.Allow) || (len(got.Patch) > 0) != (path == "/mutate" && got.Allowed && patch != nil) {
						t.Errorf("%s: allowed %t, patch %s", name, got.Allowed, got.Patch)
					}
				}
			}
		}
	}
}
