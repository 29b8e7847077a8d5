package contract

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/props"
)

// What must not come out anywhere: a bearer token, and the content of a Secret in clear and as Kubernetes spells it.
const (
	canaryToken  = "Tok3n.Canary-8d1f2a7c5b9e4410-QWxhZGRpbg"
	canarySecret = "S3cr3t/Canary+1c7e90ab44d2f6b8"
)

func canaries() []string {
	return []string{canaryToken, canarySecret, base64.StdEncoding.EncodeToString([]byte(canarySecret)), base64.StdEncoding.EncodeToString([]byte(canaryToken))}
}

// findCanary returns a piece of a canary in text, or "". Messages are cut, so a piece counts as well as the whole.
func findCanary(text string) string {
	const piece = 10
	for _, canary := range canaries() {
		for i := range len(canary) - piece + 1 {
			if strings.Contains(text, canary[i:i+piece]) {
				return canary[i : i+piece]
			}
		}
	}
	return ""
}

// canaryPolicies read what is secret and do everything with it by which it might get out. What they do is asked for by the audience of a
// token and by the name of a Secret.
var canaryPolicies = files{
	"tokens.rego": policy("tokens", "{}", `
user := {"username": "jane"} if {
	print("the token is", input.spec.token)
	asked("allow")
}

user := f(input.spec.token) if asked("conflict")

user := {"username": "mallory", "groups": [input.spec.token, 7]} if asked("type")

user := {"username": "mallory", input.spec.token: true} if asked("key")

user := {"username": "mallory", "extra": {upper(input.spec.token): [input.spec.token]}} if asked("extra")

user := {"username": "mallory", "audiences": {input.spec.token: input.spec.token}} if asked("audiences")

user := [input.spec.token] if asked("list")

deny contains sprintf("the token %s is bad", [input.spec.token]) if asked("deny")

deny contains {"field": input.spec.token} if asked("message")

deny contains json.unmarshal(input.spec.token) if asked("builtin")

deny contains input.spec.token[_] if asked("index")

asked(what) if what in input.spec.audiences

f(x) := "a" if count(x) > 0

f(x) := "b" if count(x) > 1
`),
	"secrets.rego": policy("secrets", "{resources: [secrets], operations: ['*']}", `
deny contains f(kubernetes.object.data.password) if {
	print("the data is", kubernetes.object.data, kubernetes.object.stringData)
	kubernetes.object.metadata.name == "conflict"
}

warn contains "it has a password" if count(base64.decode(kubernetes.object.data.password)) > 0

f(x) := "a" if count(x) > 0

f(x) := "b" if count(x) > 1

mutate contains {"set": ["metadata", "labels", "seen"], "value": "yes"}

mutate contains {"set": array.concat(["data", "password"], ["x"]), "value": "y"} if kubernetes.object.metadata.name == "path"

mutate contains {"set": ["data", "more"], "value": sprintf("%sx", [object.get(kubernetes.object.data, "more", "")])} if kubernetes.object.metadata.name == "again"

mutate contains {"default": ["data", "password"], "value": v} if {
	some v in ["a", "b"]
	kubernetes.object.metadata.name == "contradiction"
}
`),
}

// canaryCall is one request with something secret in it.
type canaryCall struct {
	name, path, body string
	change           func(*http.Request)
	code             int
}

func canaryCalls() []canaryCall {
	tokenReview := func(version, rest string) string {
		return fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/%s","kind":"TokenReview","spec":{"token":%q%s}}`, version, canaryToken, rest)
	}
	var calls []canaryCall
	for _, audience := range []string{"allow", "conflict", "type", "deny", "message", "builtin", "index", "key", "extra", "audiences", "list", "nothing"} {
		for _, version := range versions {
			calls = append(calls, canaryCall{name: audience + " in " + version, path: "/authenticate", body: tokenReview(version, `,"audiences":["`+audience+`"]`), code: 200})
		}
	}
	good := tokenReview("v1", "")
	calls = append(calls,
		canaryCall{name: "an unknown version", path: "/authenticate", body: tokenReview("v9", ""), code: 400},
		canaryCall{name: "another kind", path: "/validate", body: good, code: 400},
		canaryCall{name: "cut short in the token", path: "/authenticate", body: good[:len(good)-8], code: 400},
		canaryCall{name: "twice", path: "/authenticate", body: tokenReview("v1", `,"token":"`+canaryToken+`"`), code: 400},
		canaryCall{name: "as a list", path: "/authenticate", body: strings.Replace(good, `"`+canaryToken+`"`, `["`+canaryToken+`"]`, 1), code: 400},
		canaryCall{name: "with a bad escape", path: "/authenticate", body: strings.Replace(good, "Canary", `Canary\q`, 1), code: 400},
		canaryCall{name: "followed by something", path: "/authenticate", body: good + canaryToken, code: 400},
		canaryCall{name: "too long", path: "/authenticate", body: strings.Replace(good, canaryToken, strings.Repeat(canaryToken, 1000), 1), code: 400},
		canaryCall{name: "too large", path: "/authenticate", body: strings.Replace(good, canaryToken, strings.Repeat(canaryToken, 2000), 1), code: 413},
		canaryCall{name: "by GET", path: "/authenticate", body: good, change: method(http.MethodGet), code: 405},
		canaryCall{name: "as text", path: "/authenticate", body: good, change: header("Content-Type", "text/plain"), code: 415},
		canaryCall{name: "in the query", path: "/authenticate?timeout=" + canaryToken, body: good, code: 400},
		canaryCall{name: "in the path", path: "/" + canaryToken, body: good, code: 404},
		canaryCall{name: "as authorization", path: "/authenticate", body: good, change: header("Authorization", "Bearer "+canaryToken), code: 200},
	)
	secret := func(name string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q,"namespace":"shop","annotations":{"kubectl.kubernetes.io/last-applied-configuration":%q}},"data":{"password":%q},"stringData":{"password":%q}}`,
			name, `{"stringData":{"password":"`+canarySecret+`"}}`, base64.StdEncoding.EncodeToString([]byte(canarySecret)), canarySecret)
	}
	admission := func(operation, resource, members string) string {
		return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":%q,"kind":{"group":"","version":"v1","kind":"Secret"},"resource":{"group":"","version":"v1","resource":%q},"namespace":"shop","name":"db",%s}}`,
			operation, resource, members)
	}
	for _, path := range []string{"/mutate", "/validate"} {
		for _, name := range []string{"db", "conflict", "path", "again", "contradiction"} {
			calls = append(calls, canaryCall{name: name, path: path, body: admission("CREATE", "secrets", `"object":`+secret(name)), code: 200})
		}
		created := admission("CREATE", "secrets", `"object":`+secret("db"))
		calls = append(calls,
			canaryCall{name: "an update", path: path, body: admission("UPDATE", "secrets", `"object":`+secret("db")+`,"oldObject":`+secret("db")), code: 200},
			canaryCall{name: "a delete", path: path, body: admission("DELETE", "secrets", `"object":null,"oldObject":`+secret("conflict")), code: 200},
			canaryCall{name: "a service account's token", path: path, body: admission("CREATE", "serviceaccounts", `"subResource":"token","object":{"status":{"token":"`+canaryToken+`"}}`), code: 200},
			canaryCall{name: "a Secret cut short", path: path, body: created[:len(created)-15], code: 400},
			canaryCall{name: "a Secret with a member twice", path: path, body: strings.Replace(created, `"stringData":{`, `"stringData":{"password":"`+canarySecret+`",`, 1), code: 400},
			canaryCall{name: "a Secret that is a text", path: path, body: admission("CREATE", "secrets", `"object":"`+canarySecret+`"`), code: 400},
		)
	}
	return calls
}

// sendCanaries sends them all and looks at every answer.
func sendCanaries(t *testing.T, s *server) {
	t.Helper()
	for _, c := range canaryCalls() {
		if c.change == nil {
			c.change = func(*http.Request) {}
		}
		got := s.post(t, c.path, []byte(c.body), c.change)
		if got.code != c.code {
			t.Errorf("%s %s: %d %s", c.path, c.name, got.code, got.body)
		}
		// Headers have no canary in them either.
		if piece := findCanary(fmt.Sprint(string(got.body), got.header)); piece != "" {
			t.Errorf("%s %s: the answer has %q: %s", c.path, c.name, piece, got.body)
		}
	}
}

func TestCanaryIsFoundNowhereThatTheServerWrites(t *testing.T) {
	log, decisions := &props.Buffer{}, &props.Buffer{}
	s := serve(t, canaryPolicies, func(o *setup) { o.log, o.decisions = log, decisions })
	sendCanaries(t, s)
	s.stop()
	written := map[string]string{"the log": log.String(), "the decision log": decisions.String(), "the metrics": metricsOf(t, s)}
	for what, text := range written {
		if piece := findCanary(text); piece != "" {
			t.Errorf("%s has %q: %s", what, piece, around(text, piece))
		}
	}
	// The control: all of them were written, about these requests.
	for what, want := range map[string]string{
		"the log": "level=DEBUG msg=answered", "the decision log": `"erased":["/input/spec/token"]`, "the metrics": "portcullis_requests_total",
	} {
		if !strings.Contains(written[what], want) {
			t.Errorf("%s has nothing to show: %.300s", what, written[what])
		}
	}
}

// A panic may say what it was about; the log tells where, and of a token nothing.
func TestCanaryInAPanicIsHidden(t *testing.T) {
	log, decisions := &props.Buffer{}, &props.Buffer{}
	s := serve(t, canaryPolicies, func(o *setup) {
		o.log, o.decisions = log, decisions
		o.around = func(review.Reviewer) review.Reviewer {
			return review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
				if req.Stage == review.Authenticate {
					panic("cannot make sense of " + string(req.Body))
				}
				panic(fmt.Sprintf("cannot make sense of %v", req))
			})
		}
	})
	for _, c := range canaryCalls() {
		if c.change == nil {
			if got := s.post(t, c.path, []byte(c.body)); findCanary(string(got.body)) != "" {
				t.Errorf("%s: the answer is %s", c.name, got.body)
			}
		}
	}
	s.stop()
	for what, text := range map[string]string{"the log": log.String(), "the decision log": decisions.String()} {
		if piece := findCanary(text); piece != "" {
			t.Errorf("%s has %q: %s", what, piece, around(text, piece))
		}
	}
	if !strings.Contains(log.String(), "cannot make sense of") || !strings.Contains(log.String(), "(token)") {
		t.Errorf("the log does not tell of the panic: %.500s", log)
	}
}

// The same through the program itself, with all it writes: standard output and error, the file of decisions, and the page of metrics.
func TestCanaryIsFoundNowhereThatTheProgramWrites(t *testing.T) {
	dir := t.TempDir()
	policies := filepath.Join(dir, "policies")
	must(t, os.Mkdir(policies, 0o700))
	for name, text := range canaryPolicies {
		must(t, os.WriteFile(filepath.Join(policies, name), []byte(text), 0o600))
	}
	s, health := &server{address: props.FreeAddressT(t)}, props.FreeAddressT(t)
	var stdout, stderr props.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- cmd.Run(ctx, []string{
			"serve", "--policies", policies, "--listen", s.address, "--health-listen", health, "--ca-file", filepath.Join(dir, "ca.crt"),
			"--decision-log", filepath.Join(dir, "decisions"), "--log-level", "debug", "--drain", "0s",
		}, strings.NewReader(""), &stdout, &stderr)
	}()
	props.Eventually(t, "the server is ready", func() bool {
		select {
		case code := <-ended:
			t.Fatalf("it ended with %d: %s", code, stderr.String())
		default:
		}
		return get(t, "http://"+health+"/readyz") == http.StatusOK
	})
	var err error
	s.ca, err = os.ReadFile(filepath.Join(dir, "ca.crt"))
	must(t, err)
	sendCanaries(t, s)
	metrics := page(t, "http://"+health+"/metrics")
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("it ended with %d", code)
	}
	decisions, err := os.ReadFile(filepath.Join(dir, "decisions"))
	must(t, err)
	for what, text := range map[string]string{"standard output": stdout.String(), "standard error": stderr.String(), "the decision log": string(decisions), "the metrics": metrics} {
		if piece := findCanary(text); piece != "" {
			t.Errorf("%s has %q: %s", what, piece, around(text, piece))
		}
	}
	if !strings.Contains(metrics, "portcullis_policy_findings_total") || !bytes.Contains(decisions, []byte(`"path":"authenticate"`)) || !strings.Contains(stderr.String(), "msg=answered") {
		t.Errorf("there is nothing to show: %.300s", stderr.String())
	}
}

// The control of all of the above.
func TestCanaryWouldBeNoticed(t *testing.T) {
	for _, text := range []string{"token=" + canaryToken, `{"data":"` + base64.StdEncoding.EncodeToString([]byte(canarySecret)) + `"}`, canarySecret[3:15] + "…"} {
		if findCanary(text) == "" {
			t.Errorf("%q went unnoticed", text)
		}
	}
}

func around(text, piece string) string {
	at := strings.Index(text, piece)
	return text[max(at-200, 0):min(at+200, len(text))]
}

func metricsOf(t *testing.T, s *server) string {
	t.Helper()
	families, err := s.metrics.Registry.Gather()
	must(t, err)
	var out strings.Builder
	for _, family := range families {
		fmt.Fprintln(&out, family.String())
	}
	return out.String()
}

// get returns the code of a page, 0 while nobody serves it.
func get(t *testing.T, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

func page(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	response, err := http.DefaultClient.Do(r)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return string(text)
}
