package plane

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func newLayout(t *testing.T) layout {
	t.Helper()
	l := layout(filepath.Join(t.TempDir(), "plane"))
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestKubeconfigs(t *testing.T) {
	l := newLayout(t)
	if err := ensureKeys(l); err != nil {
		t.Fatal(err)
	}
	users := []User{{Name: "alice", Groups: []string{"dev", "ops"}}, {Name: "bob"}}
	accounts, err := ensureAccounts(l, users)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeKubeconfigs(l, "https://127.0.0.1:1234", users, accounts); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]bool{}
	for name, path := range map[string]string{
		"admin": l.kubeconfig(), "alice": l.userKubeconfig("alice"), "bob": l.userKubeconfig("bob"),
	} {
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if config.Host != "https://127.0.0.1:1234" || config.BearerToken != accounts[name].token || config.Insecure {
			t.Errorf("%s: the kubeconfig says %s, token %q", name, config.Host, config.BearerToken)
		}
		tokens[config.BearerToken] = true
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", path, info.Mode(), err)
		}
	}
	if len(tokens) != 3 {
		t.Errorf("three users have %d tokens", len(tokens))
	}
	if info, err := os.Stat(string(l)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v; want 0700", info.Mode(), err)
	}
}

func TestKeysAndTokensSurviveARestart(t *testing.T) {
	l := newLayout(t)
	var certs, tokens [2]string
	for i := range certs {
		if err := ensureKeys(l); err != nil {
			t.Fatal(err)
		}
		accounts, err := ensureAccounts(l, []User{{Name: "alice", Groups: []string{"a", `quoted "group"`}}})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := os.ReadFile(l.servingCert())
		if err != nil {
			t.Fatal(err)
		}
		certs[i], tokens[i] = string(cert), accounts["alice"].token
	}
	if certs[0] != certs[1] || tokens[0] != tokens[1] {
		t.Error("the second start made new keys or tokens, so kubeconfigs of the first are worthless")
	}
}

func TestServingCertificateIsGoodForTheLoopback(t *testing.T) {
	l := newLayout(t)
	if err := ensureKeys(l); err != nil {
		t.Fatal(err)
	}
	ca, err := readCA(l)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	data, err := os.ReadFile(l.servingCert())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "localhost", "kubernetes.default.svc", serviceIP} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
