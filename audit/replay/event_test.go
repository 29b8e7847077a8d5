package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func TestTheReviewOfAnAuditEvent(t *testing.T) {
	const placedPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"web"},"spec":{}}`
	const stored = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","uid":"1"}}`
	const stub = `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"web"}}`
	options := []string{"/request/options"}
	for name, c := range map[string]struct {
		event   string
		verb    string
		asked   string // the object that mutators are asked about, and what became of it
		stored  string
		old     bool // it is the old object
		unknown []string
		more    func(*review.Request) bool
	}{
		"create": {
			event: created + `"requestObject":` + podText + `,"responseObject":` + stored,
			verb:  "create", asked: placedPod, stored: stored, unknown: options,
		},
		"create at level Request": {event: created + `"requestObject":` + podText, verb: "create", asked: placedPod, stored: placedPod, unknown: options},
		"update": {
			event: `"verb":"update","responseStatus":{"code":200},` + pods + `"requestObject":` + podText + `,"responseObject":` + stored,
			verb:  "update", asked: placedPod, stored: stored, unknown: []string{"/request/options", "/request/oldObject"},
		},
		"patch": {
			event: `"verb":"patch","responseStatus":{"code":200},` + pods + `"requestObject":[{"op":"add"}],"responseObject":` + stored,
			verb:  "update", asked: stored, stored: stored, unknown: []string{"/request/options", "/request/oldObject"},
		},
		"patch of which there is but the patch": {
			event: `"verb":"patch","responseStatus":{"code":200},` + pods + `"requestObject":{"spec":{"a":1}}`,
			verb:  "update", asked: stub, stored: stub, unknown: []string{"/request/options", "/request/object", "/request/oldObject"},
		},
		"apply that creates": {
			event: `"verb":"patch","responseStatus":{"code":201},` + pods + `"requestObject":` + podText + `,"responseObject":` + stored,
			verb:  "create", asked: stored, stored: stored, unknown: options,
		},
		"delete": {
			event: `"verb":"delete","responseStatus":{"code":200},` + pods + `"requestObject":{"kind":"DeleteOptions","apiVersion":"v1"},"responseObject":` + stored,
			verb:  "delete", asked: stored, stored: stored, old: true, unknown: options,
		},
		"delete that answers with a Status": {
			event: `"verb":"delete","responseStatus":{"code":200},` + pods + `"responseObject":{"kind":"Status","apiVersion":"v1"}`,
			verb:  "delete", asked: stub, stored: stub, old: true, unknown: []string{"/request/options", "/request/oldObject"},
		},
		"exec": {
			event: `"verb":"get","responseStatus":{"code":101},"objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web","apiVersion":"v1"}`,
			verb:  "connect", asked: strings.Replace(stub, "Pod", "PodExecOptions", 1), stored: strings.Replace(stub, "Pod", "PodExecOptions", 1),
			unknown: []string{"/request/options", "/request/object"},
			more:    func(r *review.Request) bool { return r.Target.Subresource == "exec" },
		},
		"as somebody else, to try": {
			event: strings.Replace(created, `"verb"`, `"impersonatedUser":{"username":"joe"},"requestURI":"/x?dryRun=All","verb"`, 1) + `"requestObject":` + podText,
			verb:  "create", asked: placedPod, stored: placedPod, unknown: options,
			more: func(r *review.Request) bool { return r.User.Username == "joe" && r.DryRun },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Question
			report := run(t, Options{Kind: func(_, _, _ string) string { return "Pod" }, Ask: func(ctx context.Context, q Question) (review.Decision, error) {
				got = append(got, q)
				return allow(ctx, q)
			}}, log("l", eventOf(c.event)))
			if report.Replayed != 1 || len(got) != 2 || got[0].Request.Stage != review.Mutate || got[1].Request.Stage != review.Validate {
				t.Fatalf("%+v %+v", report, got)
			}
			for i, want := range []string{c.asked, c.stored} {
				req := got[i].Request
				object, other := req.Object, req.OldObject
				if c.old {
					object, other = other, object
				}
				if string(object) != want || c.old && len(other) > 0 || c.verb == "create" && len(other) > 0 {
					t.Errorf("%s: asked is about %s and %s, want %s", req.Stage, []byte(object), []byte(other), want)
				}
				if req.Verb != c.verb || !slices.Equal(got[i].Unknown, c.unknown) || !got[i].At.Equal(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)) {
					t.Errorf("%s %v at %s", req.Verb, got[i].Unknown, got[i].At)
				}
				if req.Target.Resource != "pods" || req.Target.Namespace != "shop" || req.Target.Name != "web" || c.more != nil && !c.more(req) {
					t.Errorf("%+v %+v", req.Target, req.User)
				}
			}
		})
	}
}

func TestEventsThatAreNotAskedAgain(t *testing.T) {
	refused := func(message string) string {
		return fmt.Sprintf(`"verb":"create","responseStatus":{"code":403,"message":%q},%s"requestObject":%s`, message, pods, podText)
	}
	for name, c := range map[string]struct {
		event, passed, why string
	}{
		"an earlier stage":    {event: strings.Replace(eventOf(created+`"x":1`), "ResponseComplete", "RequestReceived", 1), passed: "audit events of an earlier stage than ResponseComplete"},
		"a stage to come":     {event: strings.Replace(eventOf(created+`"x":1`), "ResponseComplete", "Foreseen", 1), why: "the audit stage Foreseen is not known here"},
		"a read":              {event: eventOf(`"verb":"get","responseStatus":{"code":200},` + pods + `"x":1`), passed: "audit events of requests that are not admitted, as those that read"},
		"no resource":         {event: eventOf(`"verb":"create","responseStatus":{"code":200}`), passed: "audit events of requests that are not admitted, as those that read"},
		"another version":     {event: strings.Replace(eventOf(created+`"x":1`), "audit.k8s.io/v1", "audit.k8s.io/v1beta1", 1), why: "it is of audit.k8s.io/v1beta1, and only audit events of audit.k8s.io/v1 are read"},
		"no answer":           {event: eventOf(`"verb":"create",` + pods + `"requestObject":` + podText), why: "the audit event does not say what became of the request"},
		"a conflict":          {event: eventOf(`"verb":"create","responseStatus":{"code":409},` + pods + `"requestObject":` + podText), passed: "audit events of requests that failed for another reason"},
		"refused by another":  {event: eventOf(refused(`admission webhook "validate.example.com" denied the request: no`)), passed: "audit events of requests that failed for another reason"},
		"closed":              {event: eventOf(refused(`Internal error occurred: failed calling webhook "validate.ours": timeout`)), why: errUnanswered.Error()},
		"open":                {event: eventOf(created + `"annotations":{"failed-open.validating.webhook.admission.k8s.io/round_0_index_0":"validate.ours"},"requestObject":` + podText), why: errUnanswered.Error()},
		"a patch of nonsense": {event: eventOf(created + `"annotations":{"patch.webhook.admission.k8s.io/round_0_index_0":"{"},"requestObject":` + podText), why: "what the audit event says of a webhook's patch cannot be read"},
		"an unknown kind":     {event: eventOf(strings.Replace(created, "pods", "gadgets", 1) + `"level":"Metadata"`), why: "the audit event has no object, and of what kind it was is not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			ours := func(name string) bool { return strings.HasSuffix(name, ".ours") }
			report := run(t, Options{Ask: allow, Ours: ours}, log("l", c.event))
			switch {
			case c.passed != "" && (len(report.Passed) != 1 || report.Passed[0].Why != c.passed || report.Unsayable() > 0):
				t.Errorf("passed over is %+v, and not said %+v", report.Passed, report.Unsaid)
			case c.why != "" && (len(report.Unsaid) != 1 || report.Unsaid[0].Why != c.why):
				t.Errorf("not said is %+v", report.Unsaid)
			}
			if report.Replayed != 0 || len(report.Changed) > 0 {
				t.Errorf("%+v", report)
			}
		})
	}
}

func TestWhatAnAuditEventSaysOfThePast(t *testing.T) {
	refused := `"verb":"create","responseStatus":{"code":403,"message":"admission webhook \"validate.ours\" denied the request: no"},` + pods +
		`"annotations":{"validate.ours/denied-by":"a,b"},"requestObject":` + podText
	report := run(t, Options{Ask: allow}, log("l", eventOf(refused)))
	if report.Changed[Allowed] != 1 || len(report.Groups) != 2 || report.Groups[0].Policy != "a" || report.Groups[1].Policy != "b" {
		t.Errorf("%+v", report.Groups)
	}

	// The patches of our webhooks in the order in which they were made, and nobody else's.
	note := func(webhook, path string) string {
		return fmt.Sprintf(`"{\"webhook\":%s,\"patch\":[{\"op\":\"add\",\"path\":\"%s\",\"value\":\"x\"}],\"patchType\":\"JSONPatch\"}"`, strings.ReplaceAll(fmt.Sprintf("%q", webhook), `"`, `\"`), path)
	}
	patched := created + `"annotations":{` +
		`"patch.webhook.admission.k8s.io/round_0_index_10":` + note("m.ours", "/spec/c") + `,"patch.webhook.admission.k8s.io/round_0_index_9":` + note("m.ours", "/spec/b") +
		`,"patch.webhook.admission.k8s.io/round_0_index_1":` + note("m.theirs", "/spec/a") + `},"requestObject":` + podText
	report = run(t, Options{Ask: allow, Ours: func(name string) bool { return name == "m.ours" }}, log("l", eventOf(patched)))
	if report.Changed[Patched] != 1 {
		t.Fatalf("%+v", report)
	}
	const want = `[{"op":"add","path":"/spec/b","value":"x"},{"op":"add","path":"/spec/c","value":"x"}]`
	if e := report.Groups[0].Examples[0]; string(e.Before) != want || string(e.After) != "[]" {
		t.Errorf("then %s, now %s", e.Before, e.After)
	}
}

// What mutators make now is judged: not what was stored then, of which they made something else.
func TestWhatIsMadeNowIsJudged(t *testing.T) {
	ask := func(_ context.Context, q Question) (review.Decision, error) {
		d := review.Decision{Verdict: review.Allow}
		switch {
		case q.Request.Stage == review.Mutate:
			d.Patch = []byte(`[{"op":"add","path":"/metadata/labels","value":{"team":"b"}}]`)
		case !strings.Contains(string(q.Request.Object), `"team":"b"`):
			d.Verdict = review.Deny
		}
		return d, nil
	}
	stored := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","labels":{"team":"a"}}}`
	report := run(t, Options{Ask: ask}, log("l", eventOf(created+`"requestObject":`+podText+`,"responseObject":`+stored)))
	if report.Changed[Denied] != 0 || report.Changed[Patched] != 1 {
		t.Errorf("%+v", report.Changed)
	}
}

func TestWhatTheAPIServerSparesIsSpared(t *testing.T) {
	o := Options{Ask: byName, Spared: func(r *review.Request) bool { return r.Target.Namespace == "shop" }}
	report := run(t, o, log("l", eventOf(created+`"requestObject":`+podText)+recordOf("bad", allowed)))
	if report.NothingToAsk() != 1 || report.Changed[Denied] != 1 {
		t.Errorf("%+v", report)
	}
}

func TestAListOfEvents(t *testing.T) {
	list := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + strings.TrimSpace(eventOf(created+`"requestObject":`+podText)) + `,7,{"stage":"ResponseComplete"}]}`
	report := run(t, Options{Ask: allow}, log("l", list))
	if report.Read != 3 || report.Replayed != 1 || report.Unsayable() != 1 || report.NothingToAsk() != 1 {
		t.Errorf("%+v", report)
	}
}

func TestANamespaceIsPutIntoAnObject(t *testing.T) {
	for object, want := range map[string]string{
		`{"kind":"A","metadata":{}}`:                    `{"kind":"A","metadata":{"namespace":"n"}}`,
		`{"metadata": { "name":"x"},"kind":"A"}`:        `{"metadata": {"namespace":"n", "name":"x"},"kind":"A"}`,
		`{"kind":"A","metadata":{"namespace":"other"}}`: `{"kind":"A","metadata":{"namespace":"other"}}`,
		`{"kind":"A"}`:                                     `{"kind":"A"}`,
		`{"kind":"A","metadata":null}`:                     `{"kind":"A","metadata":null}`,
		`{"spec":{"metadata":{}},"kind":"A","metadata":7}`: `{"spec":{"metadata":{}},"kind":"A","metadata":7}`,
	} {
		if got := string(placed([]byte(object), "n")); got != want {
			t.Errorf("%s becomes %s, want %s", object, got, want)
		}
	}
}
