package drills

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAuthorityRolls (T2): the authority is replaced again and again under load, and no request fails. Swapped at once, without publishing
// it first, requests are seen to fail.
func TestAuthorityRolls(t *testing.T) {
	w := start(t)
	load := w.load(t)
	count := rounds(2, 10)
	var longest time.Duration
	for roll := range count {
		before, began := issuer(t, w.leaf(t)), time.Now()
		if err := w.client.CoreV1().Secrets(namespace).Delete(t.Context(), name+"-ca", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if roll%2 == 0 { // and the leader, who does it, is replaced meanwhile
			w.replaceNamed(t, w.leading(t))
		}
		until(t, "another authority signs", func() bool { return issuer(t, w.leaf(t)) != before })
		longest = max(longest, time.Since(began))
		load.moves(t, 100)
	}
	got := load.end()
	if got.failed > 0 || got.asked < 100 {
		t.Errorf("%d rolls: %v", count, got)
	}
	figure(t, "T2: %d rolls of the authority, the longest took %v: %v", count, longest.Round(time.Millisecond), got)

	t.Run("control: swapped at once", func(t *testing.T) {
		stranger, err := newAuthority("stranger")
		if err != nil {
			t.Fatal(err)
		}
		swapped, err := stranger.issue(name, time.Now().Add(time.Hour), name+"."+namespace+".svc")
		if err != nil {
			t.Fatal(err)
		}
		load := w.flood(t)
		load.moves(t, 50)
		w.putLeaf(t, map[string][]byte{corev1.TLSCertKey: swapped.cert, corev1.TLSPrivateKeyKey: swapped.key, "ca.crt": stranger.PEM})
		began := time.Now()
		w.replaceNamed(t, w.leading(t)) // connections that are open live on; those to a new server are new
		for load.now().failed == 0 && time.Since(began) < 30*time.Second {
			load.moves(t, 50)
		}
		if got := load.now(); got.failed == 0 {
			t.Error("the authority was swapped at once, and nothing failed: the drill above proves nothing")
		}
		until(t, "it is mended by itself", func() bool {
			failed := load.now().failed
			load.moves(t, 200)
			return load.now().failed == failed && issuer(t, w.leaf(t)) != "stranger"
		})
		figure(t, "T2 control: swapped at once, mended by itself within %v: %v", time.Since(began).Round(time.Millisecond), load.end())
	})
}

// leaf is the Secret with what the replicas serve.
func (w *world) leaf(t *testing.T) *corev1.Secret {
	t.Helper()
	secret, err := w.client.CoreV1().Secrets(namespace).Get(t.Context(), name+"-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// putLeaf replaces it, whatever anybody else writes.
func (w *world) putLeaf(t *testing.T, data map[string][]byte) {
	t.Helper()
	until(t, "the Secret is written", func() bool {
		secret := w.leaf(t)
		secret.Data = data
		_, err := w.client.CoreV1().Secrets(namespace).Update(context.WithoutCancel(t.Context()), secret, metav1.UpdateOptions{})
		return err == nil
	})
}

// issuer is who signed it.
func issuer(t *testing.T, secret *corev1.Secret) string {
	t.Helper()
	block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
	if block == nil {
		t.Fatal("the Secret has no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Issuer.CommonName
}
