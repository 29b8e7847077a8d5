package decisions

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func credentialsOf(t *testing.T, key string) *Credentials {
	t.Helper()
	c := &Credentials{}
	if err := c.Use([]byte(key)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACredentialHasOneNameForAsLongAsTheKey(t *testing.T) {
	a, b := credentialsOf(t, "0123456789abcdef"), credentialsOf(t, "0123456789abcdeg")
	one, two := tokenReview(t, "token-one-of-them"), tokenReview(t, "token-two-of-them")
	name := a.Of(one)
	if len(name) != 32 || name != credentialsOf(t, "0123456789abcdef").Of(one) {
		t.Errorf("it is called %q", name)
	}
	if name == a.Of(two) || name == b.Of(one) || strings.Contains(name, "one") {
		t.Error("another token, or another key, gives no other name")
	}
	var none *Credentials
	if none.Of(one) != "" || new(Credentials).Of(one) != "" {
		t.Error("without a key there is a name")
	}
	const want = "the key by which credentials are named must have 16 bytes at least, better 32 random ones"
	if err := new(Credentials).Use([]byte("0123456789abcde")); err == nil || err.Error() != want {
		t.Error(err)
	}
	if bytes.Equal(NewCredentialKey(), NewCredentialKey()) || new(Credentials).Use(NewCredentialKey()) != nil {
		t.Error("a new key is none")
	}
}

func TestTheExtraOfATokensUserNamesTheCredential(t *testing.T) {
	c, req := credentialsOf(t, "0123456789abcdef"), tokenReview(t, "token-one-of-them")
	name := c.Of(req)
	given := &review.User{Username: "jane", Extra: map[string][]string{"a": {"b"}, CredentialExtra: {"forged"}, strings.ToUpper(CredentialExtra): {"forged"}}}
	d := review.Decision{Verdict: review.Allow, Identity: given}
	c.Mark(req, &d)
	if len(d.Identity.Extra) != 2 || d.Identity.Extra[CredentialExtra][0] != name || d.Identity.Extra["a"][0] != "b" {
		t.Errorf("the extra is %v", d.Identity.Extra)
	}
	if given.Extra[CredentialExtra][0] != "forged" {
		t.Error("what a policy shares was changed")
	}
	d = review.Decision{Verdict: review.Allow, Identity: given}
	if new(Credentials).Mark(req, &d); len(d.Identity.Extra) != 1 {
		t.Errorf("without a key the extra is %v", d.Identity.Extra)
	}
	d = review.Decision{}
	if c.Mark(req, &d); d.Identity != nil {
		t.Error("a token that is nobody's has a user")
	}
	// What the API server then asks says it.
	for extra, want := range map[string]string{
		name: name, "": "", "forged": "", strings.ToUpper(name): "", name + `","` + name: "", name + "0": "", strings.Replace(name, name[:1], "g", 1): "",
	} {
		access, _, err := review.DialectGuard([]byte(`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"jane","extra":{"` + CredentialExtra +
			`":["` + extra + `"]},"nonResourceAttributes":{"path":"/x","verb":"get"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Of(access); got != want {
			t.Errorf("of %q the credential is %q", extra, got)
		}
	}
}

func TestARecordNamesTheCredential(t *testing.T) {
	c, req := credentialsOf(t, "0123456789abcdef"), tokenReview(t, canary)
	r := New(nil, Options{Credentials: c})
	line, err := json.Marshal(r.record(entry{req: req, at: time.Now()}))
	if err != nil || !strings.Contains(string(line), `"credential":"`+c.Of(req)+`"`) || strings.Contains(string(line), canary) {
		t.Errorf("%s, %v", line, err)
	}
}
