package cluster

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"

	"github.com/portcullis-dev/portcullis/webhook/controlplane"
)

// The paths at which a webhook server answers the API server.
const (
	Authenticate = controlplane.Authenticate
	Guard        = controlplane.Guard
	Grant        = controlplane.Grant
	Mutate       = controlplane.Mutate
	Validate     = controlplane.Validate
	Image        = controlplane.Image
	Events       = controlplane.Events
)

// Callouts describes a webhook server, and makes the API server call it. Write is for what the API server must know when it starts, Apply
// for the admission webhooks, which are objects in the cluster.
type Callouts struct {
	// URL is the server's base address, such as https://127.0.0.1:8443. The client of admission webhooks speaks HTTP/2 to a loopback
	// address if the server does, and HTTP/1.1 to all others.
	URL string
	// CA is the PEM of the authorities whom the API server shall trust for it.
	CA []byte
	// ClientCert and ClientKey are the PEM with which the API server proves that it is the API server. Both or neither.
	ClientCert, ClientKey []byte

	// Paths limits the callouts to these of the server's paths; nil means all of them.
	Paths []string
	// FailurePolicy is what the admission webhooks do when the server has no answer; empty means Fail.
	FailurePolicy admissionregistrationv1.FailurePolicyType
	// AuthorizerFailurePolicy is the same for the authorizers, NoOpinion or Deny; empty means NoOpinion.
	AuthorizerFailurePolicy string
	// ExemptNamespaces are not sent to the admission webhooks; nil means kube-system, kube-node-lease and kube-public.
	ExemptNamespaces []string
	// Rules are what the validating webhook is asked about; the mutating webhook is asked about the creates and updates among them. Nil
	// means DefaultRules.
	Rules []admissionregistrationv1.RuleWithOperations
	// StaticMutatingDir and StaticValidatingDir hold webhook configurations which the API server reads as files, one directory for each
	// kind: it refuses the other. Empty means none.
	StaticMutatingDir, StaticValidatingDir string
}

// Write writes into dir every file which the API server needs, and returns options that name them. Set what else is wanted on the result:
//
//	options, err := callouts.Write(dir)
//	options.Users = map[string][]string{"alice": {"developers"}}
//	c, err := cluster.Start(ctx, options)
func (c Callouts) Write(dir string) (Options, error) {
	if err := c.check(); err != nil {
		return Options{}, fmt.Errorf("callouts: %w", err)
	}
	dir, err := filepath.Abs(dir) // the API server may run elsewhere
	if err != nil {
		return Options{}, fmt.Errorf("callouts: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Options{}, fmt.Errorf("callouts: %w", err)
	}
	var o Options
	w := writer{dir: dir}
	product := c.product(dir)
	files, flags, err := controlplane.Files(product)
	if err != nil {
		return Options{}, fmt.Errorf("callouts: %w", err)
	}
	for _, file := range files {
		w.file(file.Name, file.Text, nil)
	}
	if err := o.Take(flags); err != nil {
		return Options{}, fmt.Errorf("callouts: %w", err)
	}
	if c.has(Events) {
		// Events would wait five seconds for company, and ten after an error.
		o.ExtraArgs = append(o.ExtraArgs, "--audit-webhook-batch-max-wait=500ms", "--audit-webhook-initial-backoff=1s")
	}
	if w.err != nil {
		return Options{}, fmt.Errorf("callouts: %w", w.err)
	}
	return o, nil
}

func (c Callouts) check() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("the address of the webhook server: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the address of the webhook server is %q, but it must be like https://127.0.0.1:8443", c.URL)
	}
	if (len(c.ClientCert) == 0) != (len(c.ClientKey) == 0) {
		return errors.New("a client certificate and its key must be given together")
	}
	known := []string{Authenticate, Guard, Grant, Mutate, Validate, Image, Events}
	for _, path := range c.Paths {
		if !slices.Contains(known, path) {
			return fmt.Errorf("%q is none of the paths %s", path, strings.Join(known, ", "))
		}
	}
	return nil
}

func (c Callouts) has(path string) bool { return c.Paths == nil || slices.Contains(c.Paths, path) }

// address is where the server answers a path.
func (c Callouts) address(path string) string { return strings.TrimRight(c.URL, "/") + path }

// product is what the product makes of the callouts. Nothing is kept: a test changes a policy and looks at once. Images fail closed, so that
// a test notices when nobody is asked.
func (c Callouts) product(dir string) controlplane.Options {
	o := controlplane.Options{
		URL: c.URL, CA: c.CA, ClientCert: c.ClientCert, ClientKey: c.ClientKey, Dir: dir,
		GuardFails:        c.AuthorizerFailurePolicy == apiserverv1.FailurePolicyDeny,
		StaticMutatingDir: c.StaticMutatingDir, StaticValidatingDir: c.StaticValidatingDir,
		Callouts: []string{}, ImageFails: true,
	}
	for _, callout := range append(controlplane.All(), Events) {
		if c.has(callout) {
			o.Callouts = append(o.Callouts, callout)
		}
	}
	return o
}

// writer writes files into one directory. After an error it does nothing more, so that the error is asked for once, at the end.
type writer struct {
	dir string
	err error
}

func (w *writer) file(name string, data []byte, err error) (path string) {
	path = filepath.Join(w.dir, name)
	if w.err == nil && err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if w.err == nil && err == nil {
		err = os.WriteFile(path, data, 0o600) // may hold a private key
	}
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("write %s: %w", name, err)
	}
	return path
}
