package cmd

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/webhook"
)

// checkMeaning returns an error for flags that can be read and would silently mean nothing, or not what somebody must have meant.
func (f *serveFlags) checkMeaning() error {
	for _, name := range f.exemptNamespaces {
		if len(validation.IsDNS1123Label(name)) > 0 {
			return fmt.Errorf("--exempt-namespace %q is not the name of a namespace: lower case letters, digits and dashes, and no wildcards; name each", name)
		}
	}
	for _, name := range f.clientNames {
		if strings.Contains(name, "*") && name != webhook.AnyName {
			return fmt.Errorf("--client-name %q is compared as it stands; give the whole name, or * alone for every certificate of that authority", name)
		}
	}
	for _, name := range f.certNames {
		if net.ParseIP(name) == nil && len(validation.IsDNS1123Subdomain(name)) > 0 && len(validation.IsWildcardDNS1123Subdomain(name)) > 0 {
			return fmt.Errorf("--cert-name %q is neither a DNS name in lower case nor an IP address", name)
		}
	}
	return f.checkCertDir()
}

// checkCertDir looks for what would be ignored or lost in --cert-dir.
func (f *serveFlags) checkCertDir() error {
	if f.certDir == "" {
		return nil
	}
	if f.others() && len(f.certNames) > 0 {
		return fmt.Errorf("--cert-name is for a certificate made here, and --cert-dir %s holds somebody else's; leave --cert-name out, "+
			"and have whoever makes the certificate add the name", f.certDir)
	}
	if exists(filepath.Join(f.certDir, "ca.crt")) {
		return nil // and what does not belong to it is told of when it is read
	}
	key := filepath.Join(f.certDir, "ca.key")
	text, err := os.ReadFile(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--cert-dir: %w", err)
	}
	if block, _ := pem.Decode(text); block == nil {
		return fmt.Errorf("--cert-dir: %s is not a private key, and would be overwritten; repair it, or remove it to have a new one made", key)
	}
	return nil
}

// others reports whether the certificate in --cert-dir is one that somebody else puts there.
func (f *serveFlags) others() bool {
	return f.certDir != "" && exists(filepath.Join(f.certDir, "tls.crt")) && !exists(filepath.Join(f.certDir, "ca.key"))
}

// warnOfAddress says when somebody else's certificate is not for the address that is listened at: who calls it there will refuse.
func (f *serveFlags) warnOfAddress(source certs.Source, log *slog.Logger) {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil || host == "" || net.ParseIP(host).IsUnspecified() {
		return
	}
	certificate, err := source.GetCertificate(nil)
	if err != nil || certificate.Leaf == nil {
		return // which is told of elsewhere
	}
	if certificate.Leaf.VerifyHostname(host) != nil {
		log.Warn("the certificate is not for the address of --listen; callers that use this address will refuse it",
			"dir", f.certDir, "address", host, "names", certificate.Leaf.DNSNames, "ips", certificate.Leaf.IPAddresses)
	}
}
