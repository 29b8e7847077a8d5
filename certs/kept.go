package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// oldUntil says, on the Secret of the pair, when the last leaf of a previous authority expires that somebody may still show. All
	// else that rotation has to know is in the certificates themselves.
	oldUntil = "portcullis.dev/old-authorities-until"
	// managedBy marks what we made, and so may write.
	managedBy = "app.kubernetes.io/managed-by"
	manager   = "portcullis"
)

// kept is what the two Secrets of a rotation hold, with the versions that were read: a write fails if either was changed since.
type kept struct {
	material
	bundled bool  // ca.crt of the pair is the bundle of the authorities
	fault   error // why some of what is there cannot be used, and is made anew

	ca, pair *corev1.Secret // as they were read; without a resourceVersion when they do not exist
}

// read reads both Secrets. Where one does not exist, or holds nothing usable, parts of the material are missing. That somebody else
// made one of them is an error.
func (r *Rotation) read(ctx context.Context) (kept, error) {
	var k kept
	var err error
	if k.ca, err = r.get(ctx, r.caName(), corev1.SecretTypeOpaque); err != nil {
		return k, err
	}
	if k.pair, err = r.get(ctx, r.pairName(), corev1.SecretTypeTLS); err != nil {
		return k, err
	}
	lost := r.loadAuthorities(&k)
	r.loadPair(&k, lost)
	return k, nil
}

func (r *Rotation) get(ctx context.Context, name string, kind corev1.SecretType) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.opts.Client.Get(ctx, client.ObjectKey{Namespace: r.opts.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: r.opts.Namespace, Name: name,
				Labels: map[string]string{managedBy: manager},
			},
			Type: kind,
		}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", secretName(r.opts.Namespace, name), err)
	}
	if secret.Labels[managedBy] != manager {
		return nil, fmt.Errorf("%s was not made by Portcullis and is left alone; delete it, or run Portcullis under another name",
			secretName(r.opts.Namespace, name))
	}
	return secret, nil
}

// loadAuthorities reads the Secret of the authorities, and reports whether there is nothing in it that could be used.
func (r *Rotation) loadAuthorities(k *kept) (lost bool) {
	if k.ca.ResourceVersion == "" {
		return true
	}
	what := secretName(k.ca.Namespace, k.ca.Name)
	certs, err := parseCertificates(authorityFile+" of "+what, k.ca.Data[authorityFile])
	if err != nil {
		k.fault = err
		return true
	}
	keys, err := parseKeys(authorityKeyFile+" of "+what, k.ca.Data[authorityKeyFile])
	if err != nil {
		k.fault = err
		return true
	}
	for i, cert := range certs {
		a := &authority{cert: cert, key: owner(cert, keys)}
		if i == 0 && a.key != nil && cert.IsCA {
			k.newest = a
		} else {
			k.previous = append(k.previous, a)
		}
	}
	return false
}

// loadPair reads the Secret of the pair. Authorities it names are kept although the other Secret does not know them when that one is
// lost, or when they have signed the leaf: callers trust them now.
func (r *Rotation) loadPair(k *kept, lost bool) {
	if k.pair.ResourceVersion == "" {
		return
	}
	what := secretName(k.pair.Namespace, k.pair.Name)
	// What is no time is as if nothing was written there: the authorities stay until they expire.
	k.shownUntil, _ = time.Parse(time.RFC3339, k.pair.Annotations[oldUntil])
	told, err := parseCertificates(authorityFile+" of "+what, k.pair.Data[authorityFile])
	if err != nil {
		k.fault = err
	}
	certs, err := parseCertificates(certificateFile+" of "+what, k.pair.Data[certificateFile])
	if err != nil {
		k.fault = err
		return
	}
	leaf := certs[0]
	for _, ca := range told {
		missing := !slices.ContainsFunc(k.bundle(), ca.Equal)
		if missing && (lost || leaf.CheckSignatureFrom(ca) == nil) {
			k.previous = append(k.previous, &authority{cert: ca})
		}
	}
	k.bundled = bytes.Equal(k.pair.Data[authorityFile], encodeCertificates(k.bundle()...))
	keys, err := parseKeys(keyFile+" of "+what, k.pair.Data[keyFile])
	if err != nil {
		k.fault = err
		return
	}
	key := owner(leaf, keys)
	signed := slices.ContainsFunc(k.bundle(), func(ca *x509.Certificate) bool { return leaf.CheckSignatureFrom(ca) == nil })
	switch {
	case key == nil:
		k.fault = fmt.Errorf("%s of %s is not the private key of %s", keyFile, what, certificateFile)
	case !signed:
		k.fault = fmt.Errorf("no authority that is known has signed %s of %s", certificateFile, what)
	case !r.names.covered(leaf):
		k.fault = fmt.Errorf("%s of %s does not cover the names wanted now", certificateFile, what)
	default:
		k.leaf, k.leafKey = leaf, key
	}
}

// saveAuthorities writes the Secret of the authorities. It comes before the pair: an authority that signs is never known less widely
// than its leaf.
func (r *Rotation) saveAuthorities(ctx context.Context, k kept, m material) error {
	keys, err := encodeKeys(m.keys()...)
	if err != nil {
		return err
	}
	secret := k.ca.DeepCopy()
	secret.Data = map[string][]byte{authorityFile: encodeCertificates(m.bundle()...), authorityKeyFile: keys}
	return r.put(ctx, secret)
}

// savePair writes the Secret that replicas follow.
func (r *Rotation) savePair(ctx context.Context, k kept, m material) error {
	key, err := encodeKeys(m.leafKey)
	if err != nil {
		return err
	}
	secret := k.pair.DeepCopy()
	secret.Data = map[string][]byte{
		certificateFile: encodeCertificates(m.leaf), keyFile: key, authorityFile: encodeCertificates(m.bundle()...),
	}
	if !m.shownUntil.IsZero() {
		metav1.SetMetaDataAnnotation(&secret.ObjectMeta, oldUntil, stamp(m.shownUntil))
	}
	return r.put(ctx, secret)
}

// put creates secret, or updates it if nobody has changed it since it was read.
func (r *Rotation) put(ctx context.Context, secret *corev1.Secret) error {
	var err error
	if secret.ResourceVersion == "" {
		err = r.create(ctx, secret)
	} else {
		err = r.opts.Client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", secretName(secret.Namespace, secret.Name), err)
	}
	return nil
}

// create makes secret by server-side apply, which names what it makes, so that a role can confine it: whoever may create Secrets of any name
// can have himself made a token of every service account of the namespace. If somebody else has made it meanwhile there is a conflict, since
// each process is a field manager of its own here and nothing is forced.
func (r *Rotation) create(ctx context.Context, secret *corev1.Secret) error {
	if r.opts.Owner != nil {
		owner, err := r.opts.Owner(ctx)
		if err != nil {
			return fmt.Errorf("it is not known with what it vanishes: %w", err)
		}
		if owner != nil {
			secret.OwnerReferences = []metav1.OwnerReference{*owner}
		}
	}
	secret.TypeMeta = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		return err
	}
	unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
	return r.opts.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: fields}), r.creator)
}
