package webhook

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
)

// TestTLS tries every version and suite there is.
func TestTLS(t *testing.T) {
	s := start(t, newAuthority(t), Options{Handler: http.NotFoundHandler()})
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := s.clientTLS()
		config.MinVersion, config.MaxVersion = version, version
		if err := shake(s.addr, config); (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	var accepted []string
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		config := s.clientTLS()
		config.MinVersion, config.MaxVersion, config.CipherSuites = tls.VersionTLS10, tls.VersionTLS12, []uint16{suite.ID}
		if slices.Contains(suite.SupportedVersions, tls.VersionTLS12) && shake(s.addr, config) == nil {
			accepted = append(accepted, suite.Name)
		}
	}
	slices.Sort(accepted)
	// The certificate is ECDSA's, so these are all of the suites offered that fit it.
	want := "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
	if got := strings.Join(accepted, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestNoResumption: a session resumed would carry its client's identity past a change of authorities.
func TestNoResumption(t *testing.T) {
	s := start(t, newAuthority(t), Options{Handler: handler(t, allowing())})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := s.clientTLS()
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(10)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		for range 2 {
			response, err := client.Post("https://"+s.addr+"/validate", "application/json", strings.NewReader(admission))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.TLS.DidResume {
				t.Errorf("%s: resumed", tls.VersionName(version))
			}
		}
	}
}

func shake(addr string, config *tls.Config) error {
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return err
	}
	return conn.Close()
}

// elsewhere makes connections look as if they came over a network.
type elsewhere struct {
	net.Listener
	local  net.Addr
	remote func() net.Addr
}

type elsewhereConn struct {
	net.Conn
	local, remote net.Addr
}

func (l elsewhere) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return elsewhereConn{conn, l.local, l.remote()}, nil
}

func (c elsewhereConn) LocalAddr() net.Addr  { return c.local }
func (c elsewhereConn) RemoteAddr() net.Addr { return c.remote }

func overNetwork(t testing.TB, local string, remote func() net.Addr) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return elsewhere{l, &net.TCPAddr{IP: net.ParseIP(local), Port: 8443}, remote}
}

func from(ip string) func() net.Addr {
	return func() net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1234} }
}

func TestHTTP2OnlyOnLoopback(t *testing.T) {
	for name, c := range map[string]struct {
		local string
		off   bool
		want  string
	}{
		"loopback":            {"127.0.0.1", false, "HTTP/2.0"},
		"loopback, version 6": {"::1", false, "HTTP/2.0"},
		"loopback, off":       {"127.0.0.1", true, "HTTP/1.1"},
		"network":             {"10.1.2.3", false, "HTTP/1.1"},
		"network, version 6":  {"2001:db8::1", false, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newAuthority(t), Options{
				Handler: handler(t, allowing()), DisableHTTP2: c.off, Listener: overNetwork(t, c.local, from("10.0.0.1")),
			})
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.clientTLS(), ForceAttemptHTTP2: true}}
			defer client.CloseIdleConnections()
			response, err := client.Post("https://"+s.addr+"/validate", "application/json", strings.NewReader(admission))
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.Proto != c.want || response.StatusCode != http.StatusOK {
				t.Errorf("got %s %d", response.Proto, response.StatusCode)
			}
			// Who speaks nothing but HTTP/2 is not served where it is off.
			err = shake(s.addr, s.clientTLS("h2"))
			if (err == nil) != (c.want == "HTTP/2.0") {
				t.Errorf("HTTP/2 only: %v", err)
			}
		})
	}
}

// TestRefusedOnHTTP2 sends bodies after which a connection of HTTP/1.1 ends: on HTTP/2 the answer arrives whole, and the connection stays.
func TestRefusedOnHTTP2(t *testing.T) {
	s := start(t, newAuthority(t), Options{Handler: handler(t, allowing())})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.clientTLS(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	var connections int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			connections++
		}
	}})
	for _, c := range []struct {
		length int64
		code   int
	}{{DefaultMaxAdmission + 1, 413}, {-1, 411}, {1, 400}} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.addr+"/validate", strings.NewReader(strings.Repeat(" ", int(max(c.length, 1)))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = c.length
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.ProtoMajor != 2 || response.StatusCode != c.code || !strings.Contains(string(body), fmt.Sprintf(`"code":%d`, c.code)) || err != nil {
			t.Errorf("%s %d: %s %v", response.Proto, response.StatusCode, body, err)
		}
	}
	if connections != 1 {
		t.Errorf("three requests took %d connections", connections)
	}
}
