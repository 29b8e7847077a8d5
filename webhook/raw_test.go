package webhook

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRawRequests writes what no HTTP library would and reads what comes back: the status, whether the connection is still good for
// another request, and never a redirect. Line ends are \r\n on the wire.
func TestRawRequests(t *testing.T) {
	h := handler(t, allowing())
	s := start(t, newAuthority(t), Options{Handler: h})
	length := fmt.Sprintf("Content-Length: %d\n", len(admission))
	const head = "Host: x\nContent-Type: application/json\n"
	for name, c := range map[string]struct {
		wire string
		want string // the status, then "close" or "keep"; for a Status the message too
	}{
		"a review":                {"POST /validate?timeout=10s HTTP/1.1\n" + head + length + "\n" + admission, "200 keep"},
		"absolute form":           {"POST https://x/validate HTTP/1.1\n" + head + length + "\n" + admission, "200 keep"},
		"HTTP/1.0":                {"POST /validate HTTP/1.0\n" + head + length + "\n" + admission, "200 close"},
		"asked to close":          {"POST /validate HTTP/1.1\nConnection: close\n" + head + length + "\n" + admission, "200 close"},
		"pipelined":               {strings.Repeat("POST /validate HTTP/1.1\n"+head+length+"\n"+admission, 2), "200 keep"},
		"double slash":            {"POST //validate HTTP/1.1\n" + head + length + "\n" + admission, "404 keep there is nothing at this path"},
		"trailing slash":          {"POST /validate/ HTTP/1.1\n" + head + length + "\n" + admission, "404 keep there is nothing at this path"},
		"dots":                    {"POST /x/../validate HTTP/1.1\n" + head + length + "\n" + admission, "404 keep there is nothing at this path"},
		"escaped":                 {"POST /valid%61te HTTP/1.1\n" + head + length + "\n" + admission, "404 keep there is nothing at this path"},
		"options of all":          {"OPTIONS * HTTP/1.1\nHost: x\n\n", "404 keep there is nothing at this path"},
		"options":                 {"OPTIONS /validate HTTP/1.1\nHost: x\n\n", "405 keep reviews are sent by POST"},
		"connect":                 {"CONNECT /validate HTTP/1.1\nHost: x\n\n", "405 keep reviews are sent by POST"},
		"trace":                   {"TRACE /validate HTTP/1.1\nHost: x\n\n", "405 keep reviews are sent by POST"},
		"unknown method":          {"JUDGE /validate HTTP/1.1\nHost: x\n\n", "405 keep reviews are sent by POST"},
		"upgrade":                 {"POST /validate HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\n" + head + length + "\n" + admission, "200 keep"},
		"HTTP/2 by upgrade":       {"POST /validate HTTP/1.1\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n" + head + length + "\n" + admission, "200 keep"},
		"HTTP/2 unannounced":      {"PRI * HTTP/2.0\n\nSM\n\n", "404 close there is nothing at this path"},
		"no length":               {"POST /validate HTTP/1.1\n" + head + "\n", "400 keep the AdmissionReview cannot be read: at byte 0: the document ends where an object should stand"},
		"in pieces":               {"POST /validate HTTP/1.1\n" + head + "Transfer-Encoding: chunked\n\n2\n{}\n0\n\n", "411 close the request should say its length in Content-Length, and come in one piece"},
		"length and pieces":       {"POST /validate HTTP/1.1\n" + head + length + "Transfer-Encoding: chunked\n\n0\n\nGET /smuggled HTTP/1.1\nHost: x\n\n", "411 close the request should say its length in Content-Length, and come in one piece"},
		"pieces, disguised":       {"POST /validate HTTP/1.1\n" + head + length + "Transfer-Encoding: xchunked\n\n" + admission, "501 close"},
		"pieces twice":            {"POST /validate HTTP/1.1\n" + head + "Transfer-Encoding: chunked, chunked\n\n0\n\n", "501 close"},
		"two lengths":             {"POST /validate HTTP/1.1\n" + head + length + "Content-Length: 5\n\n" + admission, "400 close"},
		"negative length":         {"POST /validate HTTP/1.1\n" + head + "Content-Length: -1\n\n" + admission, "400 close"},
		"length no number":        {"POST /validate HTTP/1.1\n" + head + "Content-Length: +5\n\n" + admission, "400 close"},
		"length of exabytes":      {"POST /validate HTTP/1.1\n" + head + "Content-Length: 99999999999999999999\n\n" + admission, "400 close"},
		"length too long":         {"POST /image HTTP/1.1\n" + head + "Content-Length: 1048577\n\n", "413 close the review has 1048577 bytes, and at most 1048576 are accepted here; the server's limit can be raised in its configuration"},
		"expectation of too much": {"POST /image HTTP/1.1\nExpect: 100-continue\n" + head + "Content-Length: 1048577\n\n", "413 close the review has 1048577 bytes, and at most 1048576 are accepted here; the server's limit can be raised in its configuration"},
		"no host":                 {"POST /validate HTTP/1.1\nContent-Type: application/json\n" + length + "\n" + admission, "400 close"},
		"two hosts":               {"POST /validate HTTP/1.1\nHost: y\n" + head + length + "\n" + admission, "400 close"},
		"space before the colon":  {"POST /validate HTTP/1.1\n" + head + "Content-Length : 5\n\n" + admission, "400 close"},
		"folded header":           {"POST /validate HTTP/1.1\n" + head + "X: a\n b\n" + length + "\n" + admission, "200 keep"},
		"header with NUL":         {"POST /validate HTTP/1.1\n" + head + "X: a\x00b\n" + length + "\n" + admission, "400 close"},
		"oversized header":        {"POST /validate HTTP/1.1\n" + head + "X: " + strings.Repeat("x", 40<<10) + "\n" + length + "\n" + admission, "431 close"},
		"many headers":            {"POST /validate HTTP/1.1\n" + head + strings.Repeat("X: x\n", 10000) + length + "\n" + admission, "431 close"},
		"no HTTP":                 {"hello\n\n", "400 close"},
		"bad method":              {"PO ST /validate HTTP/1.1\n" + head + "\n", "400 close"},
		"HTTP/3":                  {"POST /validate HTTP/3.0\n" + head + length + "\n" + admission, "505 close"},
		"TLS inside":              {"\x16\x03\x01\x00\x05hello\n\n", "400 close"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dial(t)
			go func() { _, _ = io.WriteString(conn, strings.ReplaceAll(c.wire, "\n", "\r\n")) }()
			in := bufio.NewReader(conn)
			first, err := readAnswer(in)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(first.code, " ", map[bool]string{true: "close", false: "keep"}[first.closing])
			if first.header.Get("Content-Type") == "application/json" && first.code != http.StatusOK {
				_, message, _ := strings.Cut(first.body, `"message":"`)
				message, _, _ = strings.Cut(message, `"`)
				got += " " + message
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if first.code/100 == 3 || first.header.Get("Location") != "" {
				t.Error("it redirects")
			}
			switch name {
			case "length and pieces":
				// Whoever stands before us may have taken the rest for the body, and what answers it for the next answer.
				if second, err := readAnswer(in); err == nil {
					t.Errorf("the smuggled request is answered: %d", second.code)
				}
			case "pipelined":
				if second, err := readAnswer(in); err != nil || second.code != http.StatusOK {
					t.Errorf("the second of two is not answered: %v", err)
				}
			}
		})
	}
}

// TestSlowHeader sends a byte now and then. The connection ends though it is never idle for long.
func TestSlowHeader(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the header's timeout")
	}
	s := start(t, newAuthority(t), Options{Handler: handler(t, allowing())})
	conn := s.dial(t)
	go func() {
		for _, err := io.WriteString(conn, "POST /validate HTTP/1.1\r\nX: "); err == nil; _, err = io.WriteString(conn, "x") {
			time.Sleep(200 * time.Millisecond)
		}
	}()
	began := time.Now()
	n, err := conn.Read(make([]byte, 1))
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after %s it is still open: %d bytes, %v", time.Since(began), n, err)
	}
}

// TestSlowBody is refused in words, at a ReadTimeout shortened for the test.
func TestSlowBody(t *testing.T) {
	h := handler(t, allowing())
	ca := newAuthority(t)
	s := start(t, ca, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		h.ServeHTTP(w, r)
	})})
	conn := s.dial(t)
	if _, err := fmt.Fprintf(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(admission), admission[:10]); err != nil {
		t.Fatal(err)
	}
	got, err := readAnswer(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, got.code, got.header, []byte(got.body), 408, fmt.Sprintf("only 10 of %d bytes of the body arrived in time", len(admission)))
	if !got.closing {
		t.Error("the connection is kept")
	}
}
