package native

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LibraryBundle is a set of policies of the library that one name puts in force, as a file of the library declares it.
type LibraryBundle struct {
	Name        string   `json:"name" yaml:"-"` // its file's, "pss-baseline"
	Title       string   `json:"title" yaml:"title"`
	Description string   `json:"description" yaml:"description"`
	Policies    []string `json:"policies" yaml:"policies"` // their names
}

func readBundle(file File) (LibraryBundle, error) {
	b := LibraryBundle{Name: strings.TrimSuffix(path.Base(file.Name), path.Ext(file.Name))}
	d := yaml.NewDecoder(bytes.NewReader(file.Text))
	d.KnownFields(true)
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%s: %w", file.Name, err)
	}
	return b, nil
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
		for _, name := range l.Policies {
			if !slices.Contains(names, name) {
				return fmt.Errorf("the library: the bundle %s names %q, which is not in the library", l.Name, name)
			}
		}
	}
	return nil
}
