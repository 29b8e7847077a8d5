package native

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LibraryBundle is a set of policies of the library that one name puts in force, as a file of the library declares it.
type LibraryBundle struct {
	Name        string `json:"name" yaml:"-"` // its file's, "pss-baseline"
	Title       string `json:"title" yaml:"title"`
	Description string `json:"description" yaml:"description"`
	// Policies are the names of those in it.
	Policies []string `json:"policies" yaml:"policies"`
	// Before are policies that are in it only for versions of Kubernetes before the one given, "v1.22": a policy of Policies takes their place then.
	Before map[string]string `json:"before,omitempty" yaml:"before"`
}

func readBundle(file File) (LibraryBundle, error) {
	b := LibraryBundle{Name: strings.TrimSuffix(path.Base(file.Name), path.Ext(file.Name))}
	d := yaml.NewDecoder(bytes.NewReader(file.Text))
	d.KnownFields(true)
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%s: %w", file.Name, err)
	}
	for name, version := range b.Before {
		if _, ok := minor(version); !ok {
			return b, fmt.Errorf("%s: before.%s is %q, and not a version as v1.22", file.Name, name, version)
		}
	}
	return b, nil
}

// In returns the names of its policies for a version of Kubernetes; that is v1.N, or for the newest latest or nothing.
func (l LibraryBundle) In(version string) []string {
	out := slices.Clone(l.Policies)
	if asked, ok := minor(version); ok {
		for name, replaced := range l.Before {
			if until, _ := minor(replaced); asked < until {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// minor is the N of v1.N.
func minor(version string) (int, bool) {
	digits, ok := strings.CutPrefix(version, "v1.")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// Bundles returns the library's bundles, sorted by their names.
func (r *Reader) Bundles() []LibraryBundle { return slices.Clone(r.bundles) }

// bundle finds a bundle of the library by its name.
func (r *Reader) bundle(name string) (LibraryBundle, bool) {
	i := slices.IndexFunc(r.bundles, func(l LibraryBundle) bool { return l.Name == name })
	if i < 0 {
		return LibraryBundle{}, false
	}
	return r.bundles[i], true
}

// complete returns an error for a bundle with a policy that the library does not have.
func (r *Reader) complete() error {
	names := r.Names()
	for _, l := range r.bundles {
		for _, name := range l.In("v1.0") {
			if !slices.Contains(names, name) {
				return fmt.Errorf("the library: the bundle %s names %q, which is not in the library", l.Name, name)
			}
		}
	}
	return nil
}
