package replay

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// log is a Source of the text.
func log(name, text string) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// allow lets everything through.
func allow(context.Context, Question) (review.Decision, error) {
	return review.Decision{Verdict: review.Allow, Revision: "r"}, nil
}

// byName refuses what is called bad, and warns of what is called odd.
func byName(_ context.Context, q Question) (review.Decision, error) {
	d := review.Decision{Verdict: review.Allow, Revision: "r"}
	switch name := q.Request.Target.Name; {
	case strings.HasPrefix(name, "bad"):
		d.Verdict = review.Deny
		d.Findings = []review.Finding{{Policy: "names", Effect: review.EffectDeny, Message: "the name " + name + " is bad"}}
	case strings.HasPrefix(name, "odd"):
		d.Findings = []review.Finding{{Policy: "names", Effect: review.EffectWarn, Message: "the name is odd"}}
	case strings.HasPrefix(name, "unknown"):
		d.Findings = []review.Finding{{Policy: "names", Effect: review.EffectDeny, Fault: true, Unknown: true, Message: "it cannot be told"}}
		d.Verdict = review.Deny
	}
	return d, nil
}

func run(t testing.TB, o Options, logs ...Source) *Report {
	t.Helper()
	report, err := Run(t.Context(), logs, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// recordOf is a decision record of a ConfigMap's creation, with more members of the record after those.
func recordOf(name, more string) string {
	return fmt.Sprintf(`{"decision_id":"u","timestamp":"2026-01-02T03:04:05Z","path":"validate","input":{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",`+
		`"request":{"uid":"u","operation":"CREATE","kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},`+
		`"name":%q,"namespace":"shop","userInfo":{"username":"jane"},"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q}},"oldObject":null}},%s}`, name, name, more) + "\n"
}

const allowed = `"result":{"verdict":"allow"}`

// eventOf is an audit event with these members beside those that each has.
func eventOf(members string) string {
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","requestURI":"/x","user":{"username":"jane"},` +
		`"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z",` + members + "}\n"
}

const (
	pods    = `"objectRef":{"resource":"pods","namespace":"shop","name":"web","apiVersion":"v1"},`
	created = `"verb":"create","responseStatus":{"code":201},` + pods
	podText = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{}}`
)
