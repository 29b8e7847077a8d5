package webhook

import (
	"strings"
	"testing"
)

func TestErrorLog(t *testing.T) {
	var log logged
	out := errorLog(log.logger())
	for line, level := range map[string]string{
		"http: TLS handshake error from 10.0.0.1:4711: EOF":                                                      "DEBUG",
		"http: TLS handshake error from 10.0.0.1:4711: read tcp 1->2: read: connection reset by peer":            "DEBUG",
		"http: TLS handshake error from 10.0.0.1:4711: read tcp 1->2: i/o timeout":                               "DEBUG",
		"http: TLS handshake error from 10.0.0.1:4711: remote error: tls: unknown certificate authority":         "WARN",
		"http: TLS handshake error from 10.0.0.1:4711: tls: client didn't provide a certificate":                 "WARN",
		"http: panic serving 10.0.0.1:4711: runtime error: index out of range\ngoroutine 1 [running]:\nmain.f()": "ERROR",
	} {
		out.Print(line)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, `"level":"`+level+`"`) {
			t.Errorf("%s\nis logged as %s", line, last)
		}
	}
}

// TestErrorLogIsLimited lets a caller cause many handshakes to fail and counts the warnings.
func TestErrorLogIsLimited(t *testing.T) {
	var log logged
	out := errorLog(log.logger())
	for range 1000 {
		out.Print("http: TLS handshake error from 10.0.0.1:4711: tls: client didn't provide a certificate")
	}
	if n := strings.Count(log.String(), "WARN"); n < 10 || n > 100 { // 10 and one a second: the test may be slow
		t.Errorf("%d warnings", n)
	}
}
