package decisions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/review"
)

// CredentialExtra is where a user's extra names the credential that was presented, in every question and every audit event about what was done
// with it. The API server keeps answers about access by all of a user's extra: so it is the same for the same token, for as long as the key is.
const CredentialExtra = "authentication.portcullis.dev/credential"

// Credentials names credentials so that what was done with one can be found, and nobody learns it from its name: the name is an HMAC of the
// token. Replicas that share a key give the same names. Without a key none is given. It is safe for concurrent use.
type Credentials struct {
	key atomic.Pointer[[]byte]
}

// leastKey is the least length of a key in bytes: no name may be tried against all tokens of a list by who does not know the key.
const leastKey = 16

// NewCredentialKey returns a random key.
func NewCredentialKey() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return key
}

// Use sets the key, of at least 16 bytes.
func (c *Credentials) Use(key []byte) error {
	if len(key) < leastKey {
		return errors.New("the key by which credentials are named must have 16 bytes at least, better 32 random ones")
	}
	key = append([]byte(nil), key...)
	c.key.Store(&key)
	return nil
}

// Of names the credential that a TokenReview asks about, or that a user of another review came with, as their extra says. It is empty where it
// is not known.
func (c *Credentials) Of(req *review.Request) string {
	if req.Stage != review.Authenticate {
		return credentialIn(req.User.Extra)
	}
	token := req.Token()
	if c == nil || len(token) == 0 {
		return ""
	}
	key := c.key.Load()
	if key == nil {
		return ""
	}
	sum := hmac.New(sha256.New, *key)
	sum.Write(token)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Mark says in the extra of a token's user which credential it is; whatever a policy put there is replaced. Other decisions are left alone.
func (c *Credentials) Mark(req *review.Request, d *review.Decision) {
	if req.Stage != review.Authenticate || d.Identity == nil {
		return
	}
	name := c.Of(req)
	user := *d.Identity
	user.Extra = map[string][]string{}
	for key, values := range d.Identity.Extra {
		if !strings.EqualFold(key, CredentialExtra) { // the API server takes keys in lower case alone
			user.Extra[key] = values
		}
	}
	if name != "" {
		user.Extra[CredentialExtra] = []string{name}
	}
	d.Identity = &user
}

// credentialIn is the credential that a user's extra names. Whoever may impersonate may have written it, so what is no name is none.
func credentialIn(extra map[string][]string) string {
	if values := extra[CredentialExtra]; len(values) == 1 && len(values[0]) == 32 && strings.Trim(values[0], "0123456789abcdef") == "" {
		return values[0]
	}
	return ""
}
