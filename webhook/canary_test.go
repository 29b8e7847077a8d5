package webhook

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/portcullis-dev/portcullis/review"
)

// TestTokensStaySecret sends a token through everything that can go right or wrong, with Reviewers that quote it in their errors as
// builtins do, and looks for it, or for any eight bytes of it, in the log at debug level, in the metrics and in the answers.
func TestTokensStaySecret(t *testing.T) {
	const token = `eyJhbGciOiJSUzI1NiJ9.q\Zcan"ary.S1gnature~value+with/all=kinds`
	quoted, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(tokenReview, `"TOKEN"`, string(quoted), 1)
	_, numeric := strconv.ParseFloat(token, 64)
	type reviewer func(ctx context.Context, req *review.Request) (review.Decision, error)
	reviewers := map[string]reviewer{
		"allowed": func(context.Context, *review.Request) (review.Decision, error) {
			return review.Decision{Verdict: review.Allow, Identity: &review.User{Username: "jane"}}, nil
		},
		"refused": func(context.Context, *review.Request) (review.Decision, error) { return review.Decision{}, nil },
		"faulty finding": func(context.Context, *review.Request) (review.Decision, error) {
			return faulty("cannot use "+token, token[10:30]), nil
		},
		"faulty findings": func(context.Context, *review.Request) (review.Decision, error) {
			return faulty(token, token, token[:12], token[5:]), nil
		},
		"quoted in full": func(context.Context, *review.Request) (review.Decision, error) {
			return review.Decision{}, errors.New("bad token " + token)
		},
		"quoted by Go": func(context.Context, *review.Request) (review.Decision, error) {
			return review.Decision{}, fmt.Errorf("rego: %w", numeric)
		},
		"quoted in part": func(context.Context, *review.Request) (review.Decision, error) {
			return review.Decision{}, errors.New(token[10:30])
		},
		"unavailable": func(context.Context, *review.Request) (review.Decision, error) {
			return review.Decision{}, review.Unavailable("no provider for %s", token)
		},
		"panic": func(context.Context, *review.Request) (review.Decision, error) { panic("no: " + token) },
		"request printed": func(_ context.Context, req *review.Request) (review.Decision, error) {
			return review.Decision{}, fmt.Errorf("%v %+v %#v %s", req, *req, req.Body, req.Body)
		},
		"stuck": func(ctx context.Context, _ *review.Request) (review.Decision, error) {
			time.Sleep(200 * time.Millisecond)
			return review.Decision{}, ctx.Err()
		},
	}
	bodies := map[string]string{
		"whole": body, "cut": body[:len(body)/2], "cut in the token": body[:strings.Index(body, "S1gn")], "trailing": body + body,
		"wrong kind": strings.Replace(body, "TokenReview", "AdmissionReview", 1), "wrong type": strings.Replace(body, string(quoted), "["+string(quoted)+"]", 1),
		"twice": strings.Replace(body, `"spec":{`, `"spec":{"token":`+string(quoted)+",", 1), "bad escape": strings.Replace(body, `\\Z`, `\Z`, 1),
	}
	for name, r := range reviewers {
		h := handler(t, review.ReviewerFunc(r))
		for kind, body := range bodies {
			for _, e := range table(allowing()) { // sent to the wrong path too
				request := httptest.NewRequest(http.MethodPost, "/x", nil)
				request.URL.Path, request.URL.RawQuery = e.Path, "timeout=100ms"
				request.Header.Set("Authorization", "Bearer "+token)
				w := postRequest(h, request, body)
				conceals(t, name+", "+kind+", the answer of "+e.Path, w.Body.String(), token)
			}
		}
		for _, target := range []string{"/" + token[:20], "/authenticate?timeout=" + token[:20]} {
			conceals(t, name+" at "+target, post(h, target, body).Body.String(), token)
		}
		conceals(t, name+", the log", h.log.String(), token)
		if !strings.Contains(h.log.String(), `"level":"DEBUG"`) && !strings.Contains(h.log.String(), `"level":"ERROR"`) {
			t.Errorf("%s: nothing is logged, so this proves nothing", name)
		}
		exposed := httptest.NewRecorder()
		promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}).ServeHTTP(exposed, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if !strings.Contains(exposed.Body.String(), "portcullis_requests_total{") {
			t.Error("there are no metrics, so this proves nothing")
		}
		conceals(t, name+", the metrics", exposed.Body.String(), token)
	}
}

// faulty is a decision that rests on policies which could not be asked, and on what is said of why.
func faulty(messages ...string) (d review.Decision) {
	for _, message := range messages {
		d.Findings = append(d.Findings, review.Finding{Policy: "tokens", Effect: review.EffectDeny, Message: message, Field: message, Fault: true})
	}
	return d
}

// TestConnectionsStaySecret breaks requests that carry a token before any handler sees them.
func TestConnectionsStaySecret(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.canary.S1gnature"
	h := handler(t, allowing())
	s := start(t, newAuthority(t), Options{Handler: h, Log: h.log.logger()})
	for _, wire := range []string{
		"POST /authenticate HTTP/1.1\r\nAuthorization: Bearer " + token + "\x00\r\n\r\n",
		"POST /authenticate HTTP/1.1\r\n" + token + "\r\n\r\n",
		"POST /authenticate " + token + "\r\n\r\n",
		token + "\r\n\r\n",
		"POST /authenticate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"spec\":{\"token\":\"" + token,
	} {
		conn := s.dial(t)
		if _, err := io.WriteString(conn, wire); err != nil {
			t.Fatal(err)
		}
		_ = conn.CloseWrite()
		answer, _ := io.ReadAll(bufio.NewReader(conn))
		conceals(t, "the answer", string(answer), token)
	}
	s.stop()
	<-s.done
	conceals(t, "the log", h.log.String(), token)
}

func conceals(t *testing.T, what, text, token string) {
	t.Helper()
	const piece = 8
	for i := 0; i+piece <= len(token); i++ {
		if strings.Contains(text, token[i:i+piece]) {
			t.Errorf("%s tells %q of the token: %.300s", what, token[i:i+piece], text)
			return
		}
	}
}
