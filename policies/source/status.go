package source

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// Versions tell which version of each object a bundle was read from: by file name, what tells one text from another.
type Versions map[string]string

// Versions returns those of the bundle that was yielded last. Whoever is told what came of that bundle, as policies.Loader's Report, learns
// so which versions of the objects it is about.
func (o *Objects) Versions() Versions {
	files, _ := o.read()
	out := Versions{}
	for _, file := range files {
		out[file.Name] = version(file)
	}
	return out
}

// UID returns that of the Policy of that name which the cluster has now, as far as this server has heard; empty if there is none. It waits for
// nothing.
func (o *Objects) UID(policy string) types.UID {
	k := o.watched.Load()
	if k == nil {
		return ""
	}
	object, _, _ := k.informer.GetStore().GetByKey(policy) // a store in memory has no errors
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return ""
	}
	return u.GetUID()
}

// Hold reports whether the bundle was read from this version of a Policy, a PolicyException, a ConfigMap or an object of Gatekeeper's. What
// does not make it what it is, as its status and its annotations, is no part of that.
func (v Versions) Hold(u *unstructured.Unstructured) bool {
	files := filesOf(u)
	for _, file := range files {
		if v[file.Name] != version(file) {
			return false
		}
	}
	if u.GetKind() != "ConfigMap" || gatekeeper.Concerns(u.GetAPIVersion()) {
		return true
	}
	held := 0
	for name := range v {
		if ReadFrom(u, name) {
			held++
		}
	}
	return held == len(files) // a key that is gone is still in force until the next bundle
}

// GatekeeperFileOf is what messages call an object of Gatekeeper's.
func GatekeeperFileOf(u *unstructured.Unstructured) string { return gatekeeperFileName(u) }

// CodeOf is what the statuses of Gatekeeper's objects call an error; empty if they have no word for it.
func CodeOf(err error) string { return gatekeeper.CodeOf(err) }

// ReadFrom reports whether messages call a Policy, a PolicyException, a ConfigMap or a key of it, or an object of Gatekeeper's so.
func ReadFrom(u *unstructured.Unstructured, file string) bool {
	if gatekeeper.Concerns(u.GetAPIVersion()) {
		return file == gatekeeperFileName(u)
	}
	switch u.GetKind() {
	case "Policy":
		return file == PolicyFileName(u.GetName())
	case "PolicyException":
		return file == exceptionFileName(u)
	case "ConfigMap":
		return strings.HasPrefix(file, configMapFileName(u, ""))
	}
	return false
}

func filesOf(u *unstructured.Unstructured) []native.File {
	if gatekeeper.Concerns(u.GetAPIVersion()) {
		return []native.File{gatekeeperFile(u)}
	}
	switch u.GetKind() {
	case "Policy":
		return []native.File{policyFile(u)}
	case "PolicyException":
		return []native.File{exceptionFile(u)}
	}
	return configMapFiles(u)
}

func version(file native.File) string {
	sum := sha256.Sum256(file.Text)
	return hex.EncodeToString(sum[:8])
}
