package source

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Version tells one version of a Policy from another by what makes it what it is; its status is no part of that.
func Version(policy *unstructured.Unstructured) string { return version(policyFile(policy).Text) }

func version(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Versions returns the Version, by name, of each Policy in the bundle that was yielded last. Whoever is told what came of that bundle, as
// policies.Loader's Report, learns so which versions it is about.
func (o *Objects) Versions() map[string]string {
	files, _ := o.read()
	out := map[string]string{}
	for _, file := range files {
		if name, ok := strings.CutPrefix(file.Name, PolicyFileName("")); ok {
			out[name] = version(file.Text)
		}
	}
	return out
}
