package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/web"
)

func TestWhoSeesWhat(t *testing.T) {
	s := newSite(t)
	id := s.report.Results[1].ID() // of the bank
	for _, c := range []struct {
		who, path string
		status    int
		has, not  []string
	}{
		{"auditor", "/ui/violations", 200, []string{"bank/", "shop/", "secret-project", "4 results"}, []string{"You see what"}},
		{"developer", "/ui/violations", 200, []string{"shop/", "2 results", "You see what was found in namespaces in which you may"}, []string{"bank", "vault", "secret-project"}},
		{"developer", "/ui/violations.csv", 200, []string{"legacy"}, []string{"bank", "vault", "secret-project"}},
		{"developer", "/ui/violations.json", 200, []string{"legacy"}, []string{"bank", "vault", "secret-project"}},
		{"developer", "/ui/violations?namespace=bank", 200, []string{"0 results", "Nothing was found"}, []string{"vault"}},
		{"developer", "/ui/violations/" + id, 404, []string{"Nothing of this name was found, or nothing that you may see"}, []string{"vault"}},
		{"auditor", "/ui/violations/" + id, 200, []string{"vault", "They are root on the node.", "cis-1.9/5.2.2"}, nil},
		{"stranger", "/ui/violations", 403, []string{"You may not see what was found in the cluster, nor in one of its namespaces in which something was. Ask for the right to get findings.portcullis.dev"}, []string{"vault"}},
		{"author", "/ui/violations.csv", 403, nil, []string{"vault"}},
		{"developer", "/ui/policies", 403, []string{"You may not see policies."}, []string{"pods.privileged"}},
		{"author", "/ui/policies", 200, []string{"pods.privileged", "users.only", "What they find in the cluster is not known here."}, []string{"vault"}},
		{"auditor", "/ui/policies/pods.privileged", 200, []string{"2 fail, 0 warn, 1 excepted", `id="L3"`, "policies/privileged.rego:1"}, nil},
		{"auditor", "/ui/policies/no.such", 404, []string{"No policy of this name is in force"}, nil},
		{"auditor", "/ui/decisions", 200, []string{"3 records", "jane", "/ui/decisions/d-bank", "/ui/decisions/d-shop"}, nil},
		{"developer", "/ui/decisions", 200, []string{"2 records", "/ui/decisions/d-shop", "You see decisions about what is in namespaces in which you may get decisions.portcullis.dev."}, []string{"bank"}},
		{"stranger", "/ui/decisions", 403, []string{"You may not see decisions of the cluster, nor of one of its namespaces in which something was decided."}, []string{"bank", "jane"}},
		{"auditor", "/ui/decisions?verdict=deny&policy=pods.privileged&namespace=shop&user=jane&stage=validate", 200, []string{"1 record <"}, []string{"d-bank"}},
		{"auditor", "/ui/decisions?colour=red", 400, []string{"There is no filter called colour."}, nil},
		{"auditor", "/ui/decisions/d-shop", 200, []string{"jane: create", "spec.hostPID", "1.500 ms", "/ui/decisions/d-patch", "it may be: the same user asked about the same object", "&#34;hostPID&#34;: true"}, []string{"<script"}},
		{"auditor", "/ui/decisions/d-patch", 200, []string{"/spec/hostPID", "<del>true</del>", "<ins>false</ins>"}, nil},
		{"developer", "/ui/decisions/d-bank", 404, []string{"No decision of this name is kept, or none that you may see"}, []string{"jane"}},
		{"auditor", "/ui/decisions/none", 404, nil, nil},
		{"auditor", "/ui/", 200, []string{"portcullis-1", "portcullis-0 is ready", "14 listed = 14 evaluated"}, nil},
		{"developer", "/ui/", 200, []string{"What is in the cluster"}, []string{"portcullis-1", "14 listed", "bank"}},
		{"stranger", "/ui/", 200, []string{"You may not see"}, []string{"portcullis-1", "vault"}},
		{"nobody", "/ui/", 401, []string{"The cluster does not know whose token this is"}, nil},
		{"auditor", "/ui/nothing", 404, []string{"There is no page at this address"}, nil},
		{"auditor", "/ui/violations?colour=red", 400, []string{"There is no filter called colour."}, nil},
		{"auditor", "/ui/violations?page=0", 400, []string{"Page=0 is not the number of a page."}, nil},
		{"auditor", "/ui/violations?control=pss/baseline&outcome=fail", 200, []string{"2 results"}, []string{"secret-project/", "legacy"}},
		{"auditor", "/ui/violations?namespace=(cluster)", 200, []string{"1 result<"}, []string{"vault"}},
		{"auditor", "/ui/violations?q=VAULT", 200, []string{"1 result<"}, []string{"legacy"}},
		{"auditor", "/ui/violations?q=" + strings.Repeat("x", 5000), 414, []string{"The address is too long."}, nil},
	} {
		response, body := s.get(t, c.who, c.path)
		if response.StatusCode != c.status {
			t.Errorf("%s at %s: %d, want %d\n%s", c.who, c.path, response.StatusCode, c.status, body)
		}
		for _, text := range c.has {
			if !strings.Contains(body, text) {
				t.Errorf("%s at %s does not see %q in\n%s", c.who, c.path, text, body)
			}
		}
		for _, text := range c.not {
			if strings.Contains(body, text) {
				t.Errorf("%s at %s sees %q", c.who, c.path, text)
			}
		}
		if csp := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'") {
			t.Errorf("%s: the policy of the content is %q", c.path, csp)
		}
		if response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, response.Header)
		}
	}
	if !slices.Contains(s.pages, "GET /ui/violations/{id} 404") {
		t.Errorf("counted were %v", s.pages)
	}
}

// What a policy or an object is called, and what is said of it, is text and never a part of the page.
func TestTextIsNoMarkup(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/ui/violations", "/ui/violations?q=<script>alert(1)</script>", "/ui/policies/pods.privileged", "/ui/violations/" + s.report.Results[3].ID(), "/ui/sign-in?next=\"><script>"} {
		if _, body := s.get(t, "auditor", path); strings.Contains(body, "<script") {
			t.Errorf("%s holds a script:\n%s", path, body)
		}
	}
}

// What cannot be asked is shown to nobody, and is no refusal.
func TestWhatIsNotKnownIsNotShown(t *testing.T) {
	s := newSite(t)
	s.broken = true
	for _, path := range []string{"/ui/", "/ui/violations", "/ui/violations.csv", "/ui/policies"} {
		response, body := s.get(t, "auditor", path)
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || strings.Contains(body, "vault") {
			t.Errorf("%s: %d\n%s", path, response.StatusCode, body)
		}
		if want := "The cluster could not be asked who you are, so nothing is shown; try again in a moment."; !strings.Contains(body, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	s.broken = false
	s.get(t, "auditor", "/ui/sign-in")
	if response, _ := s.get(t, "auditor", "/ui/violations"); response.StatusCode != http.StatusOK {
		t.Errorf("what could not be asked is remembered: %d", response.StatusCode)
	}
	s.broken = true // whose token it is is remembered now; but what they may do elsewhere is not
	if response, body := s.get(t, "auditor", "/ui/policies"); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d\n%s", response.StatusCode, body)
	}
	s.broken, s.through = false, false
	s.report = audit.Report{}
	fresh := newSite(t)
	fresh.through = false
	if response, body := fresh.get(t, "auditor", "/ui/violations"); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "The audit has not looked at everything once") {
		t.Errorf("%d\n%s", response.StatusCode, body)
	}
}

func TestSigningIn(t *testing.T) {
	s := newSite(t)
	response, _ := s.get(t, "", "/ui/violations?namespace=shop")
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != "/ui/sign-in?next=%2Fui%2Fviolations%3Fnamespace%3Dshop" {
		t.Fatalf("a browser without a token is sent with %d to %q", response.StatusCode, got)
	}
	post := func(token, next, site string) (answer, string) {
		form := url.Values{"token": {token}, "next": {next}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/ui/sign-in", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", site)
		return s.send(t, request)
	}
	response, _ = post(" developer\n", "/ui/violations?namespace=shop", "same-origin")
	cookie := response.Header.Get("Set-Cookie")
	if want := "__Host-portcullis=developer; Path=/; HttpOnly; Secure; SameSite=Strict"; cookie != want {
		t.Errorf("the cookie is %q, want %q", cookie, want)
	}
	if got := response.Header.Get("Location"); got != "/ui/violations?namespace=shop" {
		t.Errorf("then it goes to %q", got)
	}
	for _, next := range []string{"https://example.com/ui/", "//example.com", "/ui/\\example.com", "/elsewhere", "/ui/sign-in", "/ui/sign-out"} {
		if response, _ := post("developer", next, "same-origin"); response.Header.Get("Location") != "/ui/" {
			t.Errorf("%s leads to %s", next, response.Header.Get("Location"))
		}
	}
	for _, c := range []struct {
		token, says string
		status      int
	}{
		{"", "There is no token; paste one, such as that of `kubectl create token NAME`.", 400},
		{"two words", "This is not a bearer token: there are characters in it that no token has; paste the token alone.", 400},
		{strings.Repeat("x", 3901), "The token is longer than the 3,900 bytes that a browser keeps; sign in with a shorter one, such as that of `kubectl create token NAME`.", 400},
		{strings.Repeat("x", 20000), "The form could not be read; it may be too long. A token has 3,900 bytes at most.", 400},
		{"nobody", "The cluster does not know whose token this is; it may have expired, or be of another cluster.", 401},
	} {
		response, body := post(c.token, "", "same-origin")
		if response.StatusCode != c.status || !strings.Contains(body, strings.ReplaceAll(c.says, "`", "`")) || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.20q: %d, %v\n%s", c.token, response.StatusCode, response.Header, body)
		}
		if c.token != "" && strings.Contains(body, c.token) {
			t.Errorf("the answer repeats the token %.20q", c.token)
		}
	}
	if response, _ := post("developer", "", "cross-site"); response.StatusCode != http.StatusForbidden || response.Header.Get("Set-Cookie") != "" {
		t.Errorf("another site's form signs in: %d", response.StatusCode)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/ui/violations", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "__Host-portcullis", Value: "developer"})
	if response, body := s.send(t, request); response.StatusCode != http.StatusOK || !strings.Contains(body, "Signed in as <b>developer</b>") {
		t.Errorf("%d\n%s", response.StatusCode, body)
	}
}

// Whose token it is is asked once a minute, however many pages are looked at.
func TestAnswersAreRemembered(t *testing.T) {
	s := newSite(t)
	for range 5 {
		s.get(t, "auditor", "/ui/violations")
		s.get(t, "nobody", "/ui/violations")
	}
	if s.asked != 2 {
		t.Errorf("the cluster was asked %d times whose tokens two are", s.asked)
	}
}

// A replica that judges a part of the cluster says so, on pages and in what is taken along.
func TestManyResultsArePaged(t *testing.T) {
	s := newSite(t)
	s.report.Results = nil
	for i := range 250 {
		s.report.Results = append(s.report.Results, audit.Result{
			Policy: "pods.privileged", Object: audit.Object{Version: "v1", Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("web-%03d", i)}, Outcome: audit.Fail, Message: "No.",
		})
	}
	for page, want := range map[string]int{"": 100, "?page=2": 100, "?page=3": 50, "?page=4": 0} {
		_, body := s.get(t, "auditor", "/ui/violations"+page)
		if got := strings.Count(body, `<li class="finding">`); got != want {
			t.Errorf("page %q has %d results, want %d", page, got, want)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	for want, o := range map[string]web.Options{
		"pages: pages need to know who looks at them, and what they may see": {},
	} {
		if _, err := web.New(o); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
