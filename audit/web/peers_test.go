package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/web"
)

// withPeer is a site and another replica of it, which has found and decided something of its own and names a third, that must not be asked.
func withPeer(t *testing.T) (s, peer *site, third *atomic.Int64) {
	t.Helper()
	s, peer, third = newSite(t), newSite(t), &atomic.Int64{}
	for _, namespace := range []string{"shop", "vault"} {
		peer.report.Results = append(peer.report.Results, audit.Result{
			Policy: "pods.privileged", Object: audit.Object{Version: "v1", Kind: "Pod", Namespace: namespace, Name: "of-peer-in-" + namespace}, Outcome: audit.Fail,
			Message: "It is <privileged>.", Severity: "critical",
		})
	}
	if _, err := peer.recent.Write([][]byte{
		line("d-of-peer", "validate", "shop", `{"verdict":"deny","findings":[{"policy":"pods.privileged","effect":"deny","message":"Of the <peer>."}]}`),
		line("d-in-vault", "validate", "vault", `{"verdict":"allow"}`),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.recent.Write([][]byte{line("d-here", "mutate", "shop", `{"verdict":"allow"}`)}); err != nil {
		t.Fatal(err)
	}
	loop := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { third.Add(1) }))
	t.Cleanup(loop.Close)
	peer.peers, peer.client = []web.Peer{{Name: "third", Address: strings.TrimPrefix(loop.URL, "https://")}}, loop.Client()
	s.client = s.behind(t, peer.Config.Handler)
	return s, peer, third
}

// behind has a handler as the other replica, and returns who trusts it.
func (s *site) behind(t *testing.T, handler http.Handler) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	s.peers = []web.Peer{{Name: "portcullis-1", Address: strings.TrimPrefix(server.URL, "https://")}}
	return server.Client()
}

func TestAPageShowsWhatAllReplicasKnow(t *testing.T) {
	s, _, third := withPeer(t)
	for _, c := range []struct{ who, path, has, not string }{
		{"auditor", "/ui/violations", "of-peer-in-vault", "missing here"},
		{"auditor", "/ui/violations?namespace=vault", "of-peer-in-vault", "missing here"},
		{"auditor", "/ui/violations.csv", "of-peer-in-vault", "missing here"},
		{"auditor", "/ui/", "Everything was judged", "missing here"},
		{"developer", "/ui/violations", "of-peer-in-shop", "of-peer-in-vault"},
		{"developer", "/ui/violations.json", "of-peer-in-shop", "of-peer-in-vault"},
		{"auditor", "/ui/decisions", "/ui/decisions/d-in-vault", "missing here"},
		{"auditor", "/ui/decisions", "/ui/decisions/d-bank", "missing here"},
		{"auditor", "/ui/decisions?namespace=vault", "/ui/decisions/d-in-vault", "/ui/decisions/d-bank"},
		{"developer", "/ui/decisions", "/ui/decisions/d-of-peer", "/ui/decisions/d-in-vault"},
		{"developer", "/ui/decisions/d-of-peer", "Of the &lt;peer&gt;.", "missing here"},
		{"developer", "/ui/decisions/d-of-peer", "<dt>Decided by</dt><dd>portcullis-1</dd>", ""},
		{"auditor", "/ui/decisions/d-of-peer", `<a href="/ui/decisions/d-here">`, ""}, // of the same object and user
		{"auditor", "/ui/decisions/d-shop", `<a href="/ui/decisions/d-patch">`, ""},
	} {
		got, body := s.get(t, c.who, c.path)
		if got.StatusCode != http.StatusOK || !strings.Contains(body, c.has) || c.not != "" && strings.Contains(body, c.not) {
			t.Errorf("%s at %s: %d, want %q and not %q in\n%s", c.who, c.path, got.StatusCode, c.has, c.not, body)
		}
	}
	for _, c := range []struct {
		who, path string
		status    int
	}{
		{"stranger", "/ui/violations", http.StatusForbidden},
		{"stranger", "/ui/decisions", http.StatusForbidden},
		{"stranger", "/ui/decisions/d-of-peer", http.StatusForbidden},
		{"developer", "/ui/decisions/d-in-vault", http.StatusNotFound},
		{"stranger", "/ui/part/findings", http.StatusForbidden},
		{"nobody", "/ui/part/findings", http.StatusUnauthorized},
		{"auditor", "/ui/decisions?page=101", http.StatusBadRequest},
	} {
		if got, body := s.get(t, c.who, c.path); got.StatusCode != c.status || strings.Contains(body, "of-peer-in") {
			t.Errorf("%s at %s: %d, want %d\n%s", c.who, c.path, got.StatusCode, c.status, body)
		}
	}
	if n := third.Load(); n != 0 {
		t.Errorf("a replica that was asked for its part asked on, %d times", n)
	}
}

// A replica may find nothing for somebody who sees something of another.
func TestWhoSeesNothingHereMaySeeWhatIsElsewhere(t *testing.T) {
	s, peer, _ := withPeer(t)
	s.may["keeper"], peer.may["keeper"] = []string{"findings/vault", "decisions/vault"}, []string{"findings/vault", "decisions/vault"}
	for path, has := range map[string]string{"/ui/violations": "of-peer-in-vault", "/ui/decisions": "d-in-vault", "/ui/decisions/d-in-vault": "allow"} {
		if got, body := s.get(t, "keeper", path); got.StatusCode != http.StatusOK || !strings.Contains(body, has) {
			t.Errorf("%s: %d without %q\n%s", path, got.StatusCode, has, body)
		}
	}
}

// What cannot be asked is missing, and that is said on every page and in every file.
func TestAPartIsNotTheWhole(t *testing.T) {
	const says = "What portcullis-1 found is missing here, because it could not be asked."
	away := []web.Peer{{Name: "portcullis-1", Address: "127.0.0.1:1"}}
	for name, c := range map[string]struct {
		prepare func(*site)
		says    string
	}{
		"no address":     {func(s *site) { s.peers = []web.Peer{{Name: "portcullis-1"}} }, says},
		"away":           {func(s *site) { s.peers = away }, says},
		"no client":      {func(s *site) { s.peers, s.noClient = away, errors.New("no authority is known") }, says},
		"not known":      {func(s *site) { s.peersUnknown = errors.New("the Lease is old") }, "Which other replicas there are is not known at the moment; what they know is missing here."},
		"failing":        {func(s *site) { s.client = s.behind(t, answering(http.StatusInternalServerError, "")) }, says},
		"not looked yet": {func(s *site) { s.client = s.behind(t, answering(http.StatusServiceUnavailable, "")) }, says},
		"no pages":       {func(s *site) { s.client = s.behind(t, answering(http.StatusNotFound, "")) }, says},
		"no JSON":        {func(s *site) { s.client = s.behind(t, answering(http.StatusOK, "<html>")) }, says},
		"too many": {func(s *site) {
			for range 18 {
				s.peers = append(s.peers, away...)
			}
		}, "There are more than 16 other replicas; what 2 of them know is missing here."},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.client = http.DefaultClient
			c.prepare(s)
			for _, path := range []string{"/ui/", "/ui/violations", "/ui/violations?q=vault", "/ui/policies", "/ui/violations.csv", "/ui/violations.csv?q=vault"} {
				if _, body := s.get(t, "auditor", path); !strings.Contains(body, c.says) || strings.Contains(body, "Everything was judged") {
					t.Errorf("%s does not say %q\n%s", path, c.says, body)
				}
			}
			if _, body := s.get(t, "developer", "/ui/violations.md"); !strings.Contains(body, c.says) {
				t.Errorf("the developer's file does not say %q\n%s", c.says, body)
			}
			want := strings.Replace(c.says, " found ", " decided ", 1)
			for _, path := range []string{"/ui/decisions", "/ui/decisions/no-such"} {
				if _, body := s.get(t, "auditor", path); !strings.Contains(body, want) {
					t.Errorf("%s does not say %q\n%s", path, want, body)
				}
			}
			if got, body := s.get(t, "auditor", "/ui/decisions/d-shop"); got.StatusCode != http.StatusOK || !strings.Contains(body, "missing here") {
				t.Errorf("the decision: %d\n%s", got.StatusCode, body)
			}
		})
	}
}

// Many results of a replica are told in part, and counted whole: a page of a large cluster is not what ends a server.
func TestAPartIsBounded(t *testing.T) {
	s, peer, _ := withPeer(t)
	const many = 21_000
	for i := range many {
		peer.report.Results = append(peer.report.Results, audit.Result{
			Policy: "pods.privileged", Object: audit.Object{Version: "v1", Kind: "Pod", Namespace: "vault", Name: fmt.Sprintf("many-%05d", i)}, Outcome: audit.Fail, Message: "No.",
		})
	}
	peer.report.Counts["pods.privileged"] = audit.Counts{Fail: many + 2}
	peer.peers = append(peer.peers, web.Peer{Name: "fourth"})
	all := len(peer.report.Results)
	_, body := s.get(t, "auditor", "/ui/violations?by=policy")
	for _, want := range []string{fmt.Sprintf("%d further results are", all-10_000), `data-label="Fail">21,004<`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in\n%.3000s", want, body)
		}
	}
	// One that tells more than that all the same is not heard to the end.
	s.client = s.behind(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 49 {
			_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
		}
		_, _ = w.Write([]byte("{}"))
	}))
	if _, body := s.get(t, "auditor", "/ui/violations"); !strings.Contains(body, "portcullis-1 found is missing here") {
		t.Errorf("all of it was heard:\n%.3000s", body)
	}
}

func answering(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	})
}

// Whose token it is goes to replicas of the release, and to nobody they point to, nor to who only has their address.
func TestATokenGoesToReplicasAlone(t *testing.T) {
	s := newSite(t)
	var seen atomic.Int64
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			seen.Add(1)
		}
	}))
	t.Cleanup(thief.Close)
	s.client = s.behind(t, http.RedirectHandler(thief.URL+"/ui/part/findings", http.StatusTemporaryRedirect))
	s.client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // of the thief, too
	if _, body := s.get(t, "auditor", "/ui/violations"); !strings.Contains(body, "portcullis-1 found is missing here") {
		t.Errorf("a redirect was followed:\n%s", body)
	}
	s.peers[0].Address = strings.TrimPrefix(thief.URL, "https://")
	s.client = http.DefaultClient // which does not trust it
	if _, body := s.get(t, "auditor", "/ui/violations"); !strings.Contains(body, "portcullis-1 found is missing here") {
		t.Errorf("a server that nobody trusts was asked:\n%s", body)
	}
	if n := seen.Load(); n != 0 {
		t.Errorf("the token was given away %d times", n)
	}
}

// One that hangs is not waited for longer than people wait, and holds up nobody else.
func TestAReplicaThatHangsIsMissing(t *testing.T) {
	s := newSite(t)
	free := make(chan struct{})
	t.Cleanup(func() { close(free) })
	s.client = s.behind(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-free:
		case <-r.Context().Done():
		}
	}))
	begun := time.Now()
	if got, body := s.get(t, "auditor", "/ui/violations"); got.StatusCode != http.StatusOK || !strings.Contains(body, "portcullis-1 found is missing here") {
		t.Errorf("%d after %s\n%s", got.StatusCode, time.Since(begun), body)
	}
}
