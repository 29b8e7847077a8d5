// Package library is the policies Portcullis brings along, and the helper package data.portcullis.kubernetes all policies may
// import. They are plain Rego, embedded; what each is about is in its METADATA.
package library

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// Helper is the file of FS with the package data.portcullis.kubernetes.
const Helper = "kubernetes.rego"

// The tests stay out: a server needs no fixtures.
//
//go:embed kubernetes.rego */*/rule.rego bundles/*.yaml
var files embed.FS

// FS returns the files of the library: Helper, TOPIC/RULE/rule.rego for each policy, and bundles/NAME.yaml for each bundle, the policies that are
// put in force together by one name.
func FS() fs.FS { return files }

// Names returns the identities of the policies, as pods.privileged, in alphabetical order.
func Names() []string {
	paths, err := fs.Glob(files, "*/*/rule.rego")
	if err != nil { // only for a malformed pattern, and this one is a constant
		return nil
	}
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = strings.ReplaceAll(path.Dir(p), "/", ".")
	}
	return names
}

// File returns the path within FS of the policy of that name, whether or not there is one.
func File(name string) string {
	return strings.ReplaceAll(name, ".", "/") + "/rule.rego"
}
