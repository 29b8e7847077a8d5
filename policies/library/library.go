// Package library is the policies Portcullis brings along, and the helper packages all policies may import, as data.portcullis.kubernetes.
// They are plain Rego, embedded; what each is about is in its METADATA.
package library

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed claims.rego images.rego kubernetes.rego pod_security.rego quantities.rego selectors.rego users.rego */*/rule.rego bundles/*.yaml
var files embed.FS

// FS returns the files of the library: Helpers, TOPIC/RULE/rule.rego for each policy, and bundles/NAME.yaml for each bundle, the policies that are
// put in force together by one name.
func FS() fs.FS { return files }

//go:embed */*/rule_test.rego
var tests embed.FS

// Tests returns the tests of the library, TOPIC/RULE/rule_test.rego for each policy: people look at them beside it. Fixtures stay out.
func Tests() fs.FS { return tests }

// Helpers returns the files of FS with the packages that every policy may import, in alphabetical order: kubernetes.rego has
// data.portcullis.kubernetes.
func Helpers() []string { return matching("*.rego") }

// HelperPackage returns the package in one of the Helpers, as portcullis.kubernetes.
func HelperPackage(helper string) string { return "portcullis." + strings.TrimSuffix(helper, ".rego") }

// Names returns the identities of the policies, as pods.privileged, in alphabetical order.
func Names() []string {
	names := matching("*/*/rule.rego")
	for i, p := range names {
		names[i] = strings.ReplaceAll(path.Dir(p), "/", ".")
	}
	return names
}

func matching(pattern string) []string {
	paths, err := fs.Glob(files, pattern)
	if err != nil { // only for a malformed pattern, and these are constants
		return nil
	}
	return paths
}

// File returns the path within FS of the policy of that name, whether or not there is one.
func File(name string) string {
	return strings.ReplaceAll(name, ".", "/") + "/rule.rego"
}
