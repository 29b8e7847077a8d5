package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/validation"
	webhookerrors "k8s.io/apiserver/pkg/admission/plugin/webhook/errors"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/request"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/warning"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/review"
)

// genDecision makes decisions as reviewers may return them. What the engine promises of a finding's text holds of these too: one line,
// at most MaxMessage bytes.
func genDecision() *rapid.Generator[review.Decision] {
	text := rapid.Map(rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"no", "the image \"a\" \\ has no digest", strings.Repeat("é", 600), strings.Repeat("x", 5000), "a\u2028b\tc"}),
	), func(s string) string { return review.Sentence(s, review.MaxMessage) })
	finding := rapid.Custom(func(t *rapid.T) review.Finding {
		return review.Finding{
			Policy:  rapid.StringMatching(`[a-z]{1,20}(\.[a-z]{1,20}){0,3}`).Draw(t, "policy"),
			Effect:  rapid.SampledFrom([]review.Effect{review.EffectDeny, review.EffectWarn, review.EffectAudit, review.EffectAllow}).Draw(t, "effect"),
			Message: text.Draw(t, "message"), Field: text.Draw(t, "field"), Fault: rapid.Bool().Draw(t, "fault"),
		}
	})
	loud := rapid.Custom(func(t *rapid.T) review.Finding { // many of these are more than fits in an answer
		f := finding.Draw(t, "finding")
		f.Effect, f.Message = rapid.SampledFrom([]review.Effect{review.EffectDeny, review.EffectWarn}).Draw(t, "effect"), strings.Repeat("x", review.MaxMessage)
		return f
	})
	findings := rapid.OneOf(rapid.SliceOfN(finding, 0, 5), rapid.SliceOfN(finding, 0, 5), rapid.SliceOfN(loud, 0, 60))
	return rapid.Custom(func(t *rapid.T) review.Decision {
		return review.Decision{
			Verdict:   rapid.SampledFrom([]review.Verdict{review.Deny, review.Allow, review.NoOpinion}).Draw(t, "verdict"),
			Findings:  findings.Draw(t, "findings"),
			Patch:     rapid.SampledFrom([][]byte{nil, {}, []byte(`[{"op":"remove","path":"/metadata/labels/a"}]`)}).Draw(t, "patch"),
			Revision:  rapid.SampledFrom([]string{"", "0123456789ab"}).Draw(t, "revision"),
			Identity:  rapid.SampledFrom([]*review.User{nil, {}, {Username: "jane", Groups: []string{"dev"}, Extra: map[string][]string{"a": {"b"}}}}).Draw(t, "identity"),
			Audiences: rapid.SampledFrom([][]string{nil, {"a"}, {"b", "a"}, {"b"}}).Draw(t, "audiences"),
		}
	})
}

// spelt is the answer as it goes over the wire.
func spelt(t rapid.TB, dialect review.Dialect, body string, d review.Decision) []byte {
	_, answer, err := dialect([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(answer(d))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// codec decodes an answer as the API server's clients do.
func codec(t testing.TB) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, admissionv1beta1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme, imagepolicyv1alpha1.AddToScheme,
	} {
		must(t, add(scheme))
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

func TestEveryAdmissionAnswerIsOneTheAPIServerAccepts(t *testing.T) {
	decoder := codec(t)
	checks(t, 10_000, func(rt *rapid.T) {
		d := genDecision().Draw(rt, "decision")
		mutating := rapid.Bool().Draw(rt, "mutating")
		uid := types.UID(rapid.StringN(1, 40, -1).Draw(rt, "uid"))
		quoted, _ := json.Marshal(uid)
		version, dialect := rapid.SampledFrom([]string{"v1", "v1beta1"}).Draw(rt, "version"), review.DialectValidate
		if mutating {
			dialect = review.DialectMutate
		}
		text := spelt(rt, dialect, fmt.Sprintf(`{"apiVersion":"admission.k8s.io/%s","kind":"AdmissionReview","request":{"uid":%s,"operation":"CREATE",`+
			`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"object":{}}}`, version, quoted), d)
		got, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			rt.Fatalf("%v: %s", err, text)
		}
		response, err := request.VerifyAdmissionResponse(uid, mutating, got)
		if err != nil {
			rt.Fatal(err)
		}
		if beta, ok := got.(*admissionv1beta1.AdmissionReview); ok != (version == "v1beta1") || ok && beta.Response.UID != uid {
			rt.Fatalf("asked in %s: %s", version, text)
		}
		checkVerdict(rt, d, mutating, response)
		for key := range response.AuditAnnotations {
			if faults := validation.IsQualifiedName(validateHook + "/" + key); len(faults) > 0 {
				rt.Fatalf("the audit annotation %q: %v", key, faults)
			}
		}
		checkWarnings(rt, response.Warnings)
	})
}

func checkVerdict(t *rapid.T, d review.Decision, mutating bool, response *request.AdmissionResponse) {
	if response.Allowed != (d.Verdict == review.Allow) {
		t.Fatalf("%s became allowed %v", d.Verdict, response.Allowed)
	}
	if wanted := mutating && response.Allowed && len(d.Patch) > 0; (len(response.Patch) > 0) != wanted {
		t.Fatalf("the patch is %q", response.Patch)
	}
	if response.Allowed {
		return
	}
	code, message := response.Result.Code, response.Result.Message
	status := webhookerrors.ToStatusErr(validateHook, response.Result).ErrStatus
	if code < 400 || status.Code != code || message == "" || status.Message != denied(validateHook, message) {
		t.Fatalf("the refusal is %d %q", code, message)
	}
	if len(message) > 20<<10 {
		t.Fatalf("the refusal has %d bytes", len(message))
	}
}

// checkWarnings has the filter of the API server make headers of warnings: it leaves out what is not allowed in one, and cuts when there
// is too much.
func checkWarnings(t *rapid.T, warnings []string) {
	recorder := httptest.NewRecorder()
	filters.WithWarningRecorder(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, w := range warnings {
			warning.AddWarning(r.Context(), "", w)
		}
	})).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	headers, errs := utilnet.ParseWarningHeaders(recorder.Header().Values("Warning"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var arrived, sent []string
	for _, h := range headers {
		arrived = append(arrived, h.Text)
	}
	for _, w := range warnings {
		if !slices.Contains(sent, w) { // the same one twice is shown once
			sent = append(sent, w)
		}
	}
	if !slices.Equal(arrived, sent) {
		t.Fatalf("of the warnings %q\nthere arrived %q", sent, arrived)
	}
}

func TestEveryOtherAnswerMeansOneThing(t *testing.T) {
	decoder := codec(t)
	checks(t, 10_000, func(rt *rapid.T) {
		d := genDecision().Draw(rt, "decision")
		for stage, c := range map[review.Stage]struct {
			dialect review.Dialect
			body    string
		}{
			review.Authenticate: {review.DialectAuthenticate, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t","audiences":["a"]}}`},
			review.Guard:        {review.DialectGuard, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"resourceAttributes":{"resource":"pods"}}}`},
			review.Grant:        {review.DialectGrant, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"nonResourceAttributes":{"path":"/"}}}`},
			review.Image:        {review.DialectImage, `{"apiVersion":"imagepolicy.k8s.io/v1alpha1","kind":"ImageReview","spec":{"containers":[]}}`},
		} {
			text := spelt(rt, c.dialect, c.body, d)
			got, _, err := decoder.Decode(text, nil, nil)
			if err != nil {
				rt.Fatalf("%s: %v: %s", stage, err, text)
			}
			switch r := got.(type) {
			case *authenticationv1.TokenReview:
				forAsker := len(d.Audiences) == 0 || slices.Contains(d.Audiences, "a")
				known := d.Verdict == review.Allow && d.Identity != nil && d.Identity.Username != "" && forAsker
				var audiences []string
				if len(d.Audiences) > 0 {
					audiences = []string{"a"}
				}
				if r.Status.Authenticated != known || known && (r.Status.Error != "" || r.Status.User.Username != "jane" || !slices.Equal(r.Status.Audiences, audiences)) ||
					!known && (r.Status.User.Username != "" || len(r.Status.User.Groups) > 0 || len(r.Status.Audiences) > 0) {
					rt.Fatalf("%s became %s", d.Verdict, text)
				}
			case *authorizationv1.SubjectAccessReview:
				if r.Status.Denied != (stage == review.Guard && d.Verdict == review.Deny) || r.Status.Allowed != (stage == review.Grant && d.Verdict == review.Allow) {
					rt.Fatalf("%s at %s became %s", d.Verdict, stage, text)
				}
				if r.Status.Denied && r.Status.Reason == "" || !r.Status.Denied && !r.Status.Allowed && r.Status.Reason+r.Status.EvaluationError != "" {
					rt.Fatalf("the reason is wrong: %s", text)
				}
			case *imagepolicyv1alpha1.ImageReview:
				if r.Status.Allowed != (d.Verdict == review.Allow) || r.Status.Allowed == (r.Status.Reason != "") {
					rt.Fatalf("%s became %s", d.Verdict, text)
				}
			default:
				rt.Fatalf("the answer is a %T", got)
			}
		}
	})
}
