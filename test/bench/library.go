package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// embedded has the Policy documents that give library policies the parameters they need here, and policies of our own, Gatekeeper's too.
//
//go:embed policies
var embedded embed.FS

// policySet is policies to start a server with.
type policySet struct {
	flags []string // values of --policies
	specs []policies.Spec
}

// libraryFor chooses the policies of the library which are asked about what wanted describes, with the parameters of
// policies/library where there are any. Those that cannot take part are named on the progress writer: they are never left out in
// silence. All that is chosen for one name lies in one directory of the lab.
func (l *lab) libraryFor(name string, wanted func(policies.Spec) bool) (policySet, error) {
	reader, err := libraryReader()
	if err != nil {
		return policySet{}, err
	}
	given, err := parameterDocuments()
	if err != nil {
		return policySet{}, err
	}
	dir, err := l.newDir(name + "-policies")
	if err != nil {
		return policySet{}, err
	}
	set := policySet{flags: []string{dir}}
	var unfit []string
	for _, name := range reader.Names() {
		specs, faults := reader.Use(name)
		document, configured := given[name]
		if configured {
			specs, faults = reader.Read([]native.File{document})
		}
		switch {
		case len(faults) > 0 && configured:
			return set, faults
		case len(faults) > 0:
			unfit = append(unfit, name)
			continue
		case len(specs) != 1 || !wanted(specs[0]):
			continue
		case readsNamespace(specs[0]):
			l.say("the policy %s is left out: it reads namespaces, and there is no cluster here", name)
			continue
		}
		set.specs = append(set.specs, specs[0])
		if !configured {
			set.flags = append(set.flags, "library:"+name)
		} else if err := os.WriteFile(filepath.Join(dir, document.Name), document.Text, 0o600); err != nil {
			return set, err
		}
	}
	if len(unfit) > 0 {
		l.say("left out because they need parameters, for which test/bench/policies/library is the place: %s", strings.Join(unfit, ", "))
	}
	if len(set.specs) == 0 {
		return set, fmt.Errorf("%w: the library has no policy for it", errNothing)
	}
	return set, nil
}

// bundled are bundles of the library, as anybody has them in force: as many of their policies are counted as are asked about Pods.
func bundled(names ...string) (policySet, error) {
	reader, err := libraryReader()
	if err != nil {
		return policySet{}, err
	}
	specs, faults := reader.Use(names...)
	if len(faults) > 0 {
		return policySet{}, faults
	}
	var set policySet
	for _, spec := range specs {
		if judgesPods(spec) {
			set.specs = append(set.specs, spec)
		}
	}
	for _, name := range names {
		set.flags = append(set.flags, "library:"+name)
	}
	return set, nil
}

// readsNamespace reports whether a policy's own package reads the Namespace object. Without a cluster such a policy has no answer and
// would refuse everything.
func readsNamespace(spec policies.Spec) bool {
	reads := false
	for _, module := range spec.Modules {
		if !module.Package.Path.Equal(spec.Package) {
			continue // a helper may know namespaces without being asked for them
		}
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			reads = reads || len(ref) > 1 && ref[0].Equal(ast.InputRootDocument) && ref[1].Value.Compare(ast.String("namespace")) == 0
			return reads
		})
	}
	return reads
}

// libraryName is what a policy of the library is called there, whatever the document calls it that puts it in force.
func libraryName(spec policies.Spec) string {
	return strings.TrimPrefix(spec.Package.String(), "data.portcullis.library.")
}

// libraryReader knows the library as it was when this program was built.
func libraryReader() (*native.Reader, error) {
	var files []native.File
	err := fs.WalkDir(library.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(library.FS(), name)
		files = append(files, native.File{Name: "library/" + name, Text: text})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the library: %w", err)
	}
	return native.NewReader(files)
}

// parameterDocuments returns the documents of policies/library by the name of the policy they use.
func parameterDocuments() (map[string]native.File, error) {
	const dir = "policies/library"
	entries, err := embedded.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]native.File{}
	for _, entry := range entries {
		text, err := embedded.ReadFile(path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		var p v1alpha1.Policy
		if err := yaml.UnmarshalStrict(text, &p); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", dir, entry.Name(), err)
		}
		out[p.Spec.Use] = native.File{Name: entry.Name(), Text: text}
	}
	return out, nil
}

// asksAbout reports whether a policy is asked at a stage when a resource is created.
func asksAbout(spec policies.Spec, stage review.Stage, group, resource string) bool {
	if !slices.ContainsFunc(spec.Rules, func(r policies.Rule) bool { return r.Stage == stage }) ||
		len(spec.Match.Operations) > 0 && !slices.Contains(spec.Match.Operations, "create") {
		return false
	}
	return len(spec.Match.Resources) == 0 || slices.ContainsFunc(spec.Match.Resources, func(r policies.Resource) bool {
		return r.Any || r.Group == group && r.Subresource == "" && (r.Resource == "" || r.Resource == resource)
	})
}

// judgesPods chooses what validates Pods.
func judgesPods(spec policies.Spec) bool { return asksAbout(spec, review.Validate, "", "pods") }
