// Package certmanager has cert-manager provide the server's certificate: it keeps the Certificate that asks for it, and the issuers
// where nobody names one. What cert-manager puts into the Secret is followed by certs.Secret like any other.
package certmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// leafLife and renewBefore are those of the server's own authority: a leaf outlives any outage one should sit through and its key is
	// soon worthless to a thief.
	leafLife    = 7 * 24 * time.Hour
	renewBefore = leafLife / 3
	// caLife is long because cert-manager replaces an authority in one step, and not beside the old one. Its key is kept when it is
	// renewed: what the old certificate vouches for, the new one does too.
	caLife = 10 * 365 * 24 * time.Hour

	// keepEvery is how often the objects are applied again, for somebody may have changed or deleted them; retryAfter follows a failure.
	keepEvery, retryAfter = 10 * time.Minute, 30 * time.Second
	// adoptAfter is how soon to look again for a Secret that cert-manager is yet to make.
	adoptAfter = 2 * time.Second

	fieldOwner = client.FieldOwner("portcullis")
)

// Options say which certificate to ask for.
type Options struct {
	// Client applies the objects: it has to be allowed to get, create and patch certificates and issuers of cert-manager.io, and to patch
	// the Secrets.
	Client client.Client
	// Namespace is where everything is: the Certificate Name and its Secret Name-tls, and where no issuer is given, the Issuers
	// Name-self-signed and Name-ca and the Certificate Name-ca of their authority.
	Namespace, Name string
	// Owner returns with what an object vanishes that is about to be made, and the Secrets with it; nil is nothing. It may block until that is
	// known, and an error means that the object must not be made yet. It is not asked about objects that are there: they stay whose they
	// are. Nil: objects are made without an owner.
	Owner func(context.Context) (*metav1.OwnerReference, error)
	// DNSNames and IPs are what the certificate is for. At least one of either is needed.
	DNSNames []string
	IPs      []net.IP
	// Issuer is who signs. The zero value stands for an authority of our own that cert-manager keeps.
	Issuer cmmeta.IssuerReference
	// Log hears of failures. Nil discards.
	Log *slog.Logger
}

// Certificate keeps the objects that have cert-manager fill the Secret. One replica, the leader, runs it.
type Certificate struct {
	opts Options
	log  *slog.Logger
}

// New returns a Certificate; Start runs it.
func New(opts Options) (*Certificate, error) {
	if len(opts.DNSNames)+len(opts.IPs) == 0 {
		return nil, errors.New("the certificate of cert-manager: there is no DNS name and no IP address to certify")
	}
	c := &Certificate{opts: opts, log: opts.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// objects are what cert-manager is asked for.
func (c *Certificate) objects() []runtime.Object {
	if c.opts.Issuer.Name != "" {
		return []runtime.Object{c.leaf(c.opts.Issuer)}
	}
	own := cmmeta.IssuerReference{Name: c.opts.Name + "-ca", Kind: cmapi.IssuerKind, Group: cmapi.SchemeGroupVersion.Group}
	return append(c.authority(), c.leaf(own))
}

// SecretName is the name of the Secret that cert-manager fills.
func (c *Certificate) SecretName() string { return c.opts.Name + "-tls" }

// Start applies the objects, and again from time to time, until ctx ends: give it one that ends with leadership.
func (c *Certificate) Start(ctx context.Context) error {
	var last string
	for {
		pause := keepEvery
		err := c.Apply(ctx)
		made := false
		if err == nil {
			made, err = c.adopt(ctx)
		}
		switch {
		case err == nil && !made:
			pause, last = adoptAfter, ""
		case err == nil:
			last = ""
		case ctx.Err() == nil:
			pause = retryAfter
			if err.Error() != last { // said once, not at every attempt
				last = err.Error()
				c.log.Error("cert-manager cannot be asked for the certificate; trying again soon", "error", err)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// adopt has the Secrets that cert-manager makes vanish with their Certificates, as cert-manager itself has them where it is told to: they would
// stay when the release goes. Before all of them are there, made is false.
func (c *Certificate) adopt(ctx context.Context) (made bool, err error) {
	made = true
	for certificate, secret := range c.secrets() {
		owner := metadata(cmapi.SchemeGroupVersion.String(), cmapi.CertificateKind, c.opts.Namespace, certificate)
		if err := c.opts.Client.Get(ctx, client.ObjectKeyFromObject(owner), owner); err != nil {
			return false, fmt.Errorf("reading Certificate %s/%s: %w", c.opts.Namespace, certificate, err)
		}
		// A strategic merge adds to the owners there are, and writes nothing where this is one of them.
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": []metav1.OwnerReference{{
			APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID,
		}}}})
		if err != nil {
			return false, fmt.Errorf("encoding the owner of Secret %s/%s: %w", c.opts.Namespace, secret, err)
		}
		owned := metadata("v1", "Secret", c.opts.Namespace, secret)
		err = c.opts.Client.Patch(ctx, owned, client.RawPatch(types.StrategicMergePatchType, patch), fieldOwner)
		switch {
		case apierrors.IsNotFound(err):
			made = false
		case err != nil:
			return false, fmt.Errorf("tying Secret %s/%s to its Certificate: %w", c.opts.Namespace, secret, err)
		}
	}
	return made, nil
}

func metadata(version, kind, namespace, name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: kind}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
	}
}

// secrets are those that cert-manager fills, by Certificate.
func (c *Certificate) secrets() map[string]string {
	out := map[string]string{c.opts.Name: c.SecretName()}
	if c.opts.Issuer.Name == "" {
		out[c.opts.Name+"-ca"] = c.opts.Name + "-ca"
	}
	return out
}

// Apply applies the objects once, by server-side apply. What they have already is not written again.
func (c *Certificate) Apply(ctx context.Context) error {
	for _, object := range c.objects() {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return fmt.Errorf("encoding a %T: %w", object, err)
		}
		delete(fields, "status") // cert-manager's own
		u := &unstructured.Unstructured{Object: fields}
		owners, err := c.owners(ctx, u)
		if err == nil {
			u.SetOwnerReferences(owners)
			err = c.opts.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), fieldOwner, client.ForceOwnership)
		}
		if meta.IsNoMatchError(err) {
			return fmt.Errorf("the cluster knows no %s of %s: install cert-manager, or choose another source of the certificate",
				u.GetKind(), u.GetAPIVersion())
		}
		if err != nil {
			return fmt.Errorf("applying %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
		}
	}
	return nil
}

// owners are those that an object has, or else those to make it with. Applied without those it has it would lose them.
func (c *Certificate) owners(ctx context.Context, of *unstructured.Unstructured) ([]metav1.OwnerReference, error) {
	live := metadata(of.GetAPIVersion(), of.GetKind(), of.GetNamespace(), of.GetName())
	err := c.opts.Client.Get(ctx, client.ObjectKeyFromObject(live), live)
	if !apierrors.IsNotFound(err) {
		return live.OwnerReferences, err
	}
	if c.opts.Owner == nil {
		return nil, nil
	}
	owner, err := c.opts.Owner(ctx)
	if err != nil {
		return nil, fmt.Errorf("it is not known with what it vanishes: %w", err)
	}
	if owner == nil {
		return nil, nil
	}
	return []metav1.OwnerReference{*owner}, nil
}

// authority is an issuer that signs with a key made by one that signs itself.
func (c *Certificate) authority() []runtime.Object {
	selfSigned, ca := c.opts.Name+"-self-signed", c.opts.Name+"-ca"
	return []runtime.Object{
		&cmapi.Issuer{TypeMeta: kind(cmapi.IssuerKind), ObjectMeta: c.named(selfSigned), Spec: cmapi.IssuerSpec{
			IssuerConfig: cmapi.IssuerConfig{SelfSigned: &cmapi.SelfSignedIssuer{}},
		}},
		&cmapi.Certificate{TypeMeta: kind(cmapi.CertificateKind), ObjectMeta: c.named(ca), Spec: cmapi.CertificateSpec{
			IsCA:       true,
			CommonName: ca,
			SecretName: ca,
			Duration:   &metav1.Duration{Duration: caLife},
			PrivateKey: &cmapi.CertificatePrivateKey{Algorithm: cmapi.ECDSAKeyAlgorithm, Size: 256, RotationPolicy: cmapi.RotationPolicyNever},
			IssuerRef:  cmmeta.IssuerReference{Name: selfSigned, Kind: cmapi.IssuerKind, Group: cmapi.SchemeGroupVersion.Group},
		}},
		&cmapi.Issuer{TypeMeta: kind(cmapi.IssuerKind), ObjectMeta: c.named(ca), Spec: cmapi.IssuerSpec{
			IssuerConfig: cmapi.IssuerConfig{CA: &cmapi.CAIssuer{SecretName: ca}},
		}},
	}
}

func (c *Certificate) leaf(issuer cmmeta.IssuerReference) runtime.Object {
	certificate := &cmapi.Certificate{TypeMeta: kind(cmapi.CertificateKind), ObjectMeta: c.named(c.opts.Name), Spec: cmapi.CertificateSpec{
		DNSNames:    c.opts.DNSNames,
		SecretName:  c.SecretName(),
		Duration:    &metav1.Duration{Duration: leafLife},
		RenewBefore: &metav1.Duration{Duration: renewBefore},
		PrivateKey:  &cmapi.CertificatePrivateKey{Algorithm: cmapi.ECDSAKeyAlgorithm, Size: 256, RotationPolicy: cmapi.RotationPolicyAlways},
		Usages:      []cmapi.KeyUsage{cmapi.UsageDigitalSignature, cmapi.UsageServerAuth},
		IssuerRef:   issuer,
	}}
	for _, ip := range c.opts.IPs {
		certificate.Spec.IPAddresses = append(certificate.Spec.IPAddresses, ip.String())
	}
	return certificate
}

func (c *Certificate) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: c.opts.Namespace, Name: name,
		Labels: map[string]string{"app.kubernetes.io/managed-by": "portcullis"},
	}
}

func kind(name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: cmapi.SchemeGroupVersion.String(), Kind: name}
}
