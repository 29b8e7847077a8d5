package decisions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// heard has a list read, and returns what was recorded and what became of each event.
func heard(t *testing.T, opts Options, lists ...string) (records []Record, outcomes []Outcome) {
	t.Helper()
	var out bytes.Buffer
	recorder := New(Stream(&out), opts)
	events := &Events{Recorders: Recorders{recorder}, Heard: func(_ Event, o Outcome) { outcomes = append(outcomes, o) }}
	for _, list := range lists {
		events.Read(t.Context(), strings.NewReader(list))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorder.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for r, err := range Read(&out) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records, outcomes
}

// listOf spells events as the API server does, by its own types.
func listOf(t *testing.T, events ...auditv1.Event) string {
	t.Helper()
	text, err := json.Marshal(auditv1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "audit.k8s.io/v1"}, Items: events})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const (
	aUID  = "0f3c2f0e-5a2b-4c0d-9c1e-2b3a4d5e6f70"
	aText = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func anEvent() auditv1.Event {
	return auditv1.Event{
		AuditID: "a-1", Stage: auditv1.StageResponseComplete, Level: auditv1.LevelRequestResponse, RequestURI: "/apis/apps/v1/namespaces/prod/deployments/web/scale", Verb: "update",
		User: authenticationv1.UserInfo{Username: "jane", Groups: []string{"dev"}, Extra: map[string]authenticationv1.ExtraValue{
			CredentialExtra: {"0123456789abcdef0123456789abcdef"},
		}},
		ImpersonatedUser: &authenticationv1.UserInfo{Username: "root"},
		SourceIPs:        []string{"10.0.0.1"}, UserAgent: "kubectl",
		ObjectRef:      &auditv1.ObjectReference{Resource: "deployments", APIGroup: "apps", Subresource: "scale", Namespace: "prod", Name: "web"},
		ResponseStatus: &metav1.Status{Code: 200},
		Annotations: map[string]string{
			"authorization.k8s.io/decision":                                   "allow",
			"authorization.k8s.io/reason":                                     "grant: on call (decision " + aText + ")",
			"enforce.mutate.portcullis.dev/decision":                          aUID,
			"enforce.mutate.portcullis.dev/revision":                          "r1",
			"example.com/decision":                                            "of somebody else's form",
			"mutation.webhook.admission.k8s.io/round_0_index_0":               `{"configuration":"portcullis","webhook":"enforce.mutate.portcullis.dev","mutated":true}`,
			"mutation.webhook.admission.k8s.io/round_0_index_1":               `{"configuration":"other","webhook":"w","mutated":false}`,
			"mutation.webhook.admission.k8s.io/round_1_index_0":               `torn`,
			"failed-open.validating.webhook.admission.k8s.io/round_0_index_1": "observe.validate.portcullis.dev",
			"imagepolicywebhook.image-policy.k8s.io/failed-open":              "true",
		},
		RequestReceivedTimestamp: metav1.NewMicroTime(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)),
	}
}

func TestAnEventIsJoinedWithTheDecisionsAboutIt(t *testing.T) {
	event := anEvent()
	event.RequestObject, event.ResponseObject = &runtime.Unknown{Raw: []byte(`{"data":"` + canary + `"}`)}, &runtime.Unknown{Raw: []byte(`{"data":"` + canary + `"}`)}
	records, outcomes := heard(t, Options{}, listOf(t, event))
	if len(records) != 1 || fmt.Sprint(outcomes) != "[heard]" {
		t.Fatalf("%+v %v", records, outcomes)
	}
	got, err := json.Marshal(records[0])
	const want = `{"decision_id":"a-1","timestamp":"2026-01-02T03:04:05.000006Z","path":"event","credential":"0123456789abcdef0123456789abcdef","event":` +
		`{"auditID":"a-1","verb":"update","requestURI":"/apis/apps/v1/namespaces/prod/deployments/web/scale","user":"jane","groups":["dev"],"as":"root",` +
		`"sourceIPs":["10.0.0.1"],"userAgent":"kubectl","resource":"deployments.apps/scale","namespace":"prod","name":"web","code":200,"received":"2026-01-02T03:04:05.000006Z",` +
		`"access":"allow","why":"grant: on call (decision ` + aText + `)","decisions":["` + aText + `","` + aUID + `"],"changed":["portcullis/enforce.mutate.portcullis.dev"],` +
		`"failedOpen":["observe.validate.portcullis.dev","imagepolicywebhook"]}}`
	if err != nil || string(got) != want {
		t.Errorf("the record is\n%s\nwant\n%s", got, want)
	}
}

func TestWhatBecomesOfEvents(t *testing.T) {
	one, early, panicked := anEvent(), anEvent(), anEvent()
	early.Stage, panicked.Stage, panicked.AuditID = auditv1.StageResponseStarted, auditv1.StagePanic, "a-2"
	spelt := listOf(t, one)
	for _, c := range []struct {
		name  string
		lists []string
		want  string
	}{
		{"none", []string{listOf(t), `{"items":[]}`, `{}`}, "[]"},
		{"an early one, it, and it again", []string{listOf(t, early, one, one), spelt}, "[early heard repeated repeated]"},
		{"a panic", []string{listOf(t, panicked)}, "[heard]"},
		{"nothing", []string{""}, "[unreadable]"},
		{"no list", []string{`[]`, `{"kind":"Event"}`, `{"items":{}}`, `null`}, "[unreadable unreadable unreadable unreadable]"},
		{"one without an id, and one of other types, among good ones", []string{`{"items":[{"stage":"ResponseComplete"},{"auditID":3},` + spelt[strings.Index(spelt, `[`)+1:]}, "[unreadable unreadable heard]"},
		{"a torn one", []string{`{"items":[` + spelt[strings.Index(spelt, `[`)+1:len(spelt)-20]}, "[unreadable]"},
		{"fields of the future", []string{strings.Replace(spelt, `{"kind"`, `{"new":[{}],"kind"`, 1)}, "[heard]"},
		{"one without a time", []string{`{"items":[{"auditID":"a","stage":"ResponseComplete"}]}`}, "[heard]"},
	} {
		if _, got := heard(t, Options{}, c.lists...); fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func TestOnlyUnremarkableEventsAreSampled(t *testing.T) {
	none := 0.0
	for name, c := range map[string]struct {
		change func(*auditv1.Event)
		kept   bool
	}{
		"allowed":   {func(e *auditv1.Event) {}, false},
		"not found": {func(e *auditv1.Event) { e.ResponseStatus.Code = 404 }, false},
		"refused":   {func(e *auditv1.Event) { e.ResponseStatus.Code = 403 }, true},
		"unknown":   {func(e *auditv1.Event) { e.ResponseStatus.Code = 401 }, true},
		"forbidden": {func(e *auditv1.Event) { e.Annotations["authorization.k8s.io/decision"] = "forbid" }, true},
		"failed open": {func(e *auditv1.Event) {
			e.Annotations["failed-open.mutation.webhook.admission.k8s.io/round_0_index_0"] = "x"
		}, true},
	} {
		event := anEvent()
		event.Annotations = map[string]string{}
		c.change(&event)
		if records, _ := heard(t, Options{Allows: &none}, listOf(t, event)); (len(records) == 1) != c.kept {
			t.Errorf("%s: recorded are %+v", name, records)
		}
	}
}

func TestPartsOfEventsAreErased(t *testing.T) {
	erase, err := ParseErasures([]string{"/event/sourceIPs", "/event/userAgent", "/event/requestURI"})
	if err != nil {
		t.Fatal(err)
	}
	records, _ := heard(t, Options{Erase: erase}, listOf(t, anEvent()))
	if e := records[0].Event; e.UserAgent != "(erased)" || e.RequestURI != "(erased)" || e.SourceIPs[0] != "(erased)" || !slices.Contains(records[0].Erased, "/event/sourceIPs") {
		t.Errorf("the record is %+v", records[0])
	}
}

// Who may write a name of a role, or a policy's message, does not choose what decision stands behind a request.
func TestOnlyTheLastMarkOfAReasonCounts(t *testing.T) {
	for reason, want := range map[string]string{
		"guard: no (decision " + aUID + ")":                                    aUID,
		"guard: no (decision " + aUID + ") (decision " + aText + ")":           aText,
		`RBAC: allowed by RoleBinding "x (decision ` + aUID + `)" to User "a"`: "",
		"guard: (decision x)":                         "",
		"guard: no (decision " + aUID:                 "",
		" (decision " + strings.ToLower(aText) + ")":  "",
		" (decision " + strings.Repeat("0", 36) + ")": "",
		"": "",
	} {
		event := anEvent()
		event.Annotations = map[string]string{"authorization.k8s.io/reason": reason}
		records, _ := heard(t, Options{}, listOf(t, event))
		if got := strings.Join(records[0].Event.Decisions, " "); got != want {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}

func TestFewIdsAreRemembered(t *testing.T) {
	var s seen
	for i := range 3 * remembered {
		if id := fmt.Sprint(i); !s.first(id) || s.first(id) {
			t.Fatal("an id is not remembered")
		}
	}
	if len(s.known) != remembered || len(s.ring) != remembered {
		t.Errorf("%d ids are known, and %d kept", len(s.known), len(s.ring))
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"kind":"EventList","items":[{"auditID":"a","stage":"ResponseComplete","annotations":{"failed-open.x":"y"}}]}`))
	f.Fuzz(func(t *testing.T, list []byte) {
		new(Events).Read(t.Context(), bytes.NewReader(list))
	})
}
