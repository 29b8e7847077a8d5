package external

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

func TestFaultyProviders(t *testing.T) {
	ca := newAuthority(t)
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	whole := spelled("https://p.example/x", ca.bundle(), 5)
	for name, c := range map[string]struct{ from, to, want string }{
		"none":           {"", "", ""},
		"version":        {"v1beta1", "v1", "p.yaml:1: Provider p: version v1 is none of v1beta1 and v1alpha1"},
		"no url":         {"https://p.example/x", `""`, "p.yaml:5: Provider p: spec.url is missing; it is the address of the server, as https://provider.example.svc:8443/validate"},
		"http":           {"https://p", "http://p", `p.yaml:5: Provider p: spec.url must begin with https://; "http://p.example/x" is not asked, since anybody on the way could answer`},
		"no host":        {"https://p.example", "https://:80", `p.yaml:5: Provider p: spec.url "https://:80/x" names no host`},
		"a user":         {"https://p", "https://me:secret@p", "p.yaml:5: Provider p: spec.url has a user in it; a Provider knows who calls by the certificate"},
		"no url at all":  {"https://p.example/x", `"https://%zz"`, "p.yaml:5: Provider p: spec.url cannot be read; write it as https://provider.example.svc:8443/validate"},
		"no time":        {"timeout: 5", "timeout: 0", "p.yaml:6: Provider p: spec.timeout is 0; give a whole number of seconds, 1 or more"},
		"negative":       {"timeout: 5", "timeout: -1", "p.yaml:6: Provider p: spec.timeout is -1; give a whole number of seconds, 1 or more"},
		"for ever":       {"timeout: 5", "timeout: 9223372036854775807", "p.yaml:6: Provider p: spec.timeout is 9223372036854775807; give a whole number of seconds, 1 or more"},
		"half a second":  {"timeout: 5", "timeout: 0.5", "p.yaml:6: Provider p: spec.timeout cannot be such a number"},
		"no bundle":      {ca.bundle(), `""`, "p.yaml:7: Provider p: spec.caBundle is missing; it is the certificate that vouches for the server, as PEM in base64"},
		"no base64":      {ca.bundle(), "-----BEGIN", "p.yaml:7: Provider p: spec.caBundle is not base64; it is PEM in base64"},
		"no PEM":         {ca.bundle(), encoded("x"), "p.yaml:7: Provider p: spec.caBundle has no certificate in it; it is PEM in base64"},
		"a key":          {ca.bundle(), encoded("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"), "p.yaml:7: Provider p: spec.caBundle has a EC PRIVATE KEY in it; it is for certificates alone"},
		"no certificate": {ca.bundle(), encoded("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "p.yaml:7: Provider p: spec.caBundle has a certificate that cannot be read: "},
		"unknown":        {"timeout", "timeOutSeconds", `p.yaml:6: Provider p: "timeOutSeconds" is not known under spec; correct the spelling, or leave it out`},
		"insecure":       {"timeout: 5", "timeout: 5\n  insecureTLSSkipVerify: true", "p.yaml:7: Provider p: spec.insecureTLSSkipVerify is not supported; give the caBundle that vouches for the server"},
	} {
		t.Run(name, func(t *testing.T) {
			p, faults := NewReader(Options{}).Read(documentsOf(t, strings.Replace(whole, c.from, c.to, 1)))
			if !strings.HasPrefix(faults.Error(), c.want) || (p == nil) != (c.want != "") || strings.Contains(faults.Error(), "secret") {
				t.Errorf("got %v, want %s", faults, c.want)
			}
		})
	}
}

func TestTheLastGoodVersionStays(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), nil)
	whole := spelled(server.URL, ca.bundle(), 5)
	reader := NewReader(Options{})
	first, _ := reader.Read(documentsOf(t, whole))
	first.Begin().Fetch(t.Context(), "p", []string{"a"})
	for _, text := range []string{whole, strings.Replace(whole, "https", "http", 1)} {
		next, _ := reader.Read(documentsOf(t, text))
		if next == nil || next.Revision() != first.Revision() || next.list[0] != first.list[0] {
			t.Fatal("another version is in force")
		}
		next.Begin().Fetch(t.Context(), "p", []string{"a"})
	}
	if calls := len(server.asked()); calls != 1 {
		t.Errorf("%d calls", calls)
	}
	// Another version says for itself what it knows.
	next, faults := reader.Read(documentsOf(t, spelled(server.URL+"/v2", ca.bundle(), 5)))
	if next.Begin().Fetch(t.Context(), "p", []string{"a"}); len(faults) > 0 || len(server.asked()) != 2 || next.Revision() == first.Revision() {
		t.Errorf("%v, %d calls", faults, len(server.asked()))
	}
	if gone, faults := reader.Read(nil); gone != nil || len(faults) > 0 {
		t.Errorf("%v, %v", gone, faults)
	}
	_, faults = reader.Read(documentsOf(t, whole+"---\n"+whole+"---\n"+spelled("https://q", ca.bundle(), 5)))
	if want := "p.yaml:19: Provider p: it is also defined in p.yaml:1; give one of them another name"; faults.Error() != want {
		t.Errorf("got %v, want %s", faults, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(spelled("https://p.example/x", "AAAA", 5))
	f.Add("apiVersion: externaldata.gatekeeper.sh/v1alpha1\nkind: Provider\nmetadata: {name: p}\nspec: {url: 'https://[::1', timeout: 1e99}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := documents.Split("p.yaml", []byte(text))
		p, _ := NewReader(Options{}).Read(new(gatekeeper.Reader).Read(t.Context(), docs).Documents)
		if p != nil && !strings.HasPrefix(p.list[0].url, "https://") && !strings.HasPrefix(p.list[0].url, "HTTPS://") {
			t.Errorf("%s is asked", p.list[0].url)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"kind":"ProviderResponse","response":{"idempotent":true,"items":[{"key":"a","value":{"n":1e400}},{"key":"b","error":"x"}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := (&provider{name: "p"}).read(text, 200)
		if err == nil && a.status != 200 {
			t.Error("an answer without a status")
		}
		for _, item := range a.Items {
			_, _ = item.decode()
		}
	})
}
