package controlplane

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// The callouts, which are also the paths at which the server answers them.
const (
	Authenticate = "/authenticate"
	Guard        = "/authorize/guard"
	Grant        = "/authorize/grant"
	Mutate       = "/mutate"
	Validate     = "/validate"
	Image        = "/image"
)

// All lists the callouts.
func All() []string { return []string{Authenticate, Guard, Grant, Mutate, Validate, Image} }

// Options say whom the API server calls, and for what.
type Options struct {
	// URL is the server's base address, such as https://127.0.0.1:8443.
	URL string
	// CA is the PEM of the authorities whom the API server trusts for it; empty, those of its machine.
	CA []byte
	// ClientCert and ClientKey are the PEM with which the API server proves that it is the API server. Both or neither.
	ClientCert, ClientKey []byte
	// Callouts are some of All, and Events; nil means all, and no events.
	Callouts []string
	// Dir is where the API server finds the files, as it sees its file system.
	Dir string
	// Unasked are users the guard and the grant are not asked about, beside the servers of the control plane: above all whoever Portcullis
	// itself is to the API server, or a guard that fails keeps it from starting.
	Unasked []string
	// GuardFails has the guard refuse what it cannot be asked about; otherwise the next authorizer decides. See docs/serving.md before.
	GuardFails bool
	// ImageFails has every Pod refused whose images cannot be asked about, in every namespace; otherwise it is admitted. The plugin can leave
	// nobody out, so a server whose own Pods the API server admits could never come back. See docs/serving.md before.
	ImageFails bool
	// Cache is how long answers are kept.
	Cache Cache
	// Mutating and Validating are webhook configurations for the API server to read from files, whatever they are called; nil leaves the
	// admission webhooks to configurations in the cluster.
	Mutating   *admissionregistrationv1.MutatingWebhookConfiguration
	Validating *admissionregistrationv1.ValidatingWebhookConfiguration
	// StaticMutatingDir and StaticValidatingDir are directories with more such files, where Mutating or Validating is nil.
	StaticMutatingDir, StaticValidatingDir string
}

// Cache is how long the API server keeps answers about tokens and images; a policy that changes takes effect when what is kept has run out.
// Zero keeps them for a second, the least there is. Answers about access are never kept: a guard that depends on the time, and a grant that
// has ended, hold to the second.
type Cache struct {
	Token, Image time.Duration
}

// DefaultCache is two minutes for tokens, as the API server does by itself, and half a minute for images.
func DefaultCache() Cache {
	return Cache{Token: 2 * time.Minute, Image: 30 * time.Second}
}

func (o Options) check() error {
	u, err := url.Parse(o.URL)
	if err != nil {
		return fmt.Errorf("the address of the webhook server: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("the address of the webhook server is %q, but it must be like https://127.0.0.1:8443", o.URL)
	}
	if len(o.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(o.CA) {
		return errors.New("the authority to trust holds no certificate in PEM")
	}
	if (len(o.ClientCert) == 0) != (len(o.ClientKey) == 0) {
		return errors.New("a client certificate and its key must be given together")
	}
	if len(o.ClientCert) > 0 {
		if _, err := tls.X509KeyPair(o.ClientCert, o.ClientKey); err != nil {
			return fmt.Errorf("the client certificate and its key: %w", err)
		}
	}
	for _, callout := range o.Callouts {
		if callout != Events && !slices.Contains(All(), callout) {
			return fmt.Errorf("%q is none of the callouts %s", callout, strings.Join(All(), ", "))
		}
	}
	for _, user := range o.Unasked {
		if user == "" || !utf8.ValidString(user) || strings.ContainsAny(user, `'\`) || strings.ContainsFunc(user, unicode.IsControl) {
			return fmt.Errorf("%q cannot be the name of a user who is not asked about", user)
		}
	}
	return nil
}

func (o Options) has(callout string) bool {
	return o.Callouts == nil || slices.Contains(o.Callouts, callout)
}

// address is where the server answers a callout.
func (o Options) address(callout string) string { return strings.TrimRight(o.URL, "/") + callout }

// at is where the API server finds a file.
func (o Options) at(name string) string { return path.Join(o.Dir, name) }
