package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/audit/web"
	"github.com/portcullis-dev/portcullis/review"
)

// site is a Server in front of people with rights, each called as the token says.
type site struct {
	*httptest.Server
	mu      sync.Mutex
	may     map[string][]string // "findings", or "findings/shop", by user
	broken  bool                // the cluster does not answer
	asked   int
	report  audit.Report
	through bool
	pages   []string // counted
	recent  *decisions.Recent
	peers   []web.Peer
	client  *http.Client
	note    string // of why

	peersUnknown, noClient error
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{report: sample(), through: true, recent: recorded(t), may: map[string][]string{
		"auditor": {"findings", "decisions", "policies"}, "developer": {"findings/shop", "decisions/shop"}, "stranger": nil, "author": {"policies"},
	}}
	pages, err := web.New(web.Options{
		Cluster: "portcullis/portcullis",
		Who: func(_ context.Context, token string) (authenticationv1.UserInfo, bool, error) {
			s.mu.Lock()
			s.asked++
			s.mu.Unlock()
			if s.broken {
				return authenticationv1.UserInfo{}, false, errors.New("connection refused")
			}
			_, known := s.may[token]
			return authenticationv1.UserInfo{Username: token, Groups: []string{"people"}}, known, nil
		},
		May: func(_ context.Context, review authorizationv1.SubjectAccessReviewSpec) (bool, error) {
			if s.broken {
				return false, errors.New("connection refused")
			}
			a := review.ResourceAttributes
			if a.Group != web.Group || a.Verb != "get" || !slices.Equal(review.Groups, []string{"people"}) {
				return false, fmt.Errorf("asked about %+v", review)
			}
			return slices.Contains(s.may[review.User], strings.TrimSuffix(a.Resource+"/"+a.Namespace, "/")), nil
		},
		Found:     func() (audit.Report, bool) { return s.report, s.through },
		Changes:   func() uint64 { return uint64(len(s.report.Results)) },
		Decisions: s.recent,
		Peers:     func() ([]web.Peer, error) { return s.peers, s.peersUnknown },
		Client:    func() (*http.Client, error) { return s.client, s.noClient },
		Health: func() web.Health {
			return web.Health{
				Replica: "portcullis-0", Version: "Portcullis 1.0", Expires: time.Date(2027, 1, 2, 3, 4, 0, 0, time.UTC),
				Checks:   []web.Check{{Name: "policies"}, {Name: "inventory", Note: "pods are not listed yet."}},
				Replicas: []web.Replica{{Name: "portcullis-0", Revision: "abc", Heard: "admission"}, {Name: "portcullis-1"}},
			}
		},
		Detail: func(id string) (web.Detail, bool) {
			return web.Detail{
				Enforcement: "deny", Match: "pods", File: "policies/privileged.rego:1", Parameters: `{"allowed":["<b>"]}`,
				Source: []web.File{{Name: "policies/privileged.rego", Text: "package pods.privileged\n\ndeny contains \"<script>alert(1)</script>\" if true\n"}},
				Tests:  []web.File{{Name: "policies/privileged_test.rego", Text: "package pods.privileged_test\n\ntest_deny if data.pods.privileged.deny\n"}},
			}, id == "pods.privileged"
		},
		Why: func(_ context.Context, record *decisions.Record) ([]web.Fired, string) {
			f := web.Fired{Policy: "pods.privileged", Rule: "deny", File: "policies/privileged.rego", Row: 3, Message: "No <script>alert(2)</script>.", Field: "spec.hostPID"}
			elsewhere := f
			elsewhere.File, elsewhere.Row = "policies/<i>.rego", 9
			edit := web.Fired{Policy: "pods.defaults", Rule: "mutate", File: "policies/defaults.rego", Row: 7}
			if record.DecisionID == "d-patch" {
				return []web.Fired{edit}, ""
			}
			return []web.Fired{f, elsewhere}, s.note
		},
		Count: func(page string, status int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.pages = append(s.pages, fmt.Sprint(page, " ", status))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(pages)
	t.Cleanup(s.Close)
	return s
}

// recorded are two decisions, one in a namespace each, as a Recorder writes them.
func recorded(t *testing.T) *decisions.Recent {
	t.Helper()
	out := &decisions.Recent{}
	if lost, err := out.Write([][]byte{
		line("d-bank", "validate", "bank", `{"verdict":"allow"}`),
		line("d-patch", "mutate", "shop", `{"verdict":"allow","patch":[{"op":"replace","path":"/spec/hostPID","value":false}]}`),
		line("d-shop", "validate", "shop", `{"verdict":"deny","findings":[{"policy":"pods.privileged","effect":"deny","message":"No <script>alert(2)</script>.","field":"spec.hostPID"}]}`),
	}); err != nil {
		t.Fatal(lost, err)
	}
	return out
}

// line is the record of a decision about a Pod.
func line(id, path, namespace, result string) []byte {
	return []byte(`{"decision_id":"` + id + `","timestamp":"2026-11-24T08:00:00Z","revision":"abc","path":"` + path + `","credential":"c1","input":{"apiVersion":"admission.k8s.io/v1",` +
		`"kind":"AdmissionReview","request":{"uid":"` + id + `","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
		`"name":"web","namespace":"` + namespace + `","operation":"CREATE","userInfo":{"username":"jane"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"hostPID":true}}}},` +
		`"result":` + result + `,"metrics":{"timer_server_handler_ns":1500000}}`)
}

func sample() audit.Report {
	result := func(policy, kind, namespace, name, message string, outcome audit.Outcome) audit.Result {
		return audit.Result{
			Policy: policy, Object: audit.Object{Version: "v1", Kind: kind, Namespace: namespace, Name: name}, Outcome: outcome, Message: message,
			Severity: map[string]string{"pods.privileged": "critical"}[policy], Field: "spec", Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		}
	}
	excepted := result("pods.privileged", "Pod", "shop", "legacy", "It is privileged.", audit.Skip)
	excepted.Exception = &review.Exception{Name: "shop/legacy", Reason: "until it is rewritten", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	r := audit.Report{
		At: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), Revision: "abc",
		Policies: []audit.Policy{
			{ID: "names.owner", Title: "Everything has an owner", Effect: review.EffectWarn},
			{ID: "pods.privileged", Title: "No privileged containers", Description: "They are root on the node.", Severity: "critical", Controls: []string{"cis-1.9/5.2.2", "pss/baseline"}, Effect: review.EffectDeny},
			{ID: "users.only", Title: "Who may", Effect: review.EffectDeny, Unaudited: "It asks who does something."},
		},
		Results: []audit.Result{
			result("names.owner", "Namespace", "", "secret-project", "Nobody owns it.", audit.Warn),
			result("pods.privileged", "Pod", "bank", "vault", "It is privileged.", audit.Fail),
			excepted,
			result("pods.privileged", "Pod", "shop", "web", `It says <script>alert("x")</script> & more.`, audit.Fail),
		},
		Counts:     map[string]audit.Counts{"names.owner": {Pass: 4, Warn: 1}, "pods.privileged": {Pass: 7, Fail: 2, Skip: 1}},
		Namespaces: map[string]audit.Counts{"": {Warn: 1}, "bank": {Fail: 1, Pass: 4}, "shop": {Fail: 1, Skip: 1, Pass: 7}},
		Coverage:   []audit.Coverage{{Resource: "pods", Listed: 14, Evaluated: 14}},
	}
	slices.SortFunc(r.Results, audit.Compare)
	return r
}

// get asks for a page as somebody; "" is a browser that has no token.
func (s *site) get(t *testing.T, who, path string) (answer, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if who != "" {
		request.Header.Set("Authorization", "Bearer "+who)
	}
	return s.send(t, request)
}

func (s *site) send(t *testing.T, request *http.Request) (answer, string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(body)
}

// answer is what came beside a body.
type answer struct {
	StatusCode int
	Header     http.Header
}
