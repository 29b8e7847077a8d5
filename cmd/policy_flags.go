package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// libraryPrefix tells a policy of the library from a path.
const libraryPrefix = "library:"

// policyFlags are the flags by which every command that judges is told what to judge by.
type policyFlags struct {
	from       []string
	parameters string
}

func (p *policyFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&p.from, "policies", nil, "`PATH` of a directory or file with policies, or library:NAME of a policy or bundle; may be repeated")
	flags.StringVar(&p.parameters, "library-parameters", "",
		"`FILE` with parameters, names and their values in YAML, for all policies of library:NAME that have them")
}

// source returns the Source that the flags name; with the error that they name nothing, one of nothing.
func (p *policyFlags) source(reader *native.Reader) (*source.Files, error) {
	out := &source.Files{Reader: reader}
	out.Gatekeeper.Operations = gatekeeperOperations()
	if len(p.from) == 0 {
		return out, errors.New("no policies are given: add --policies DIR, --policies FILE or --policies library:NAME")
	}
	if slices.Contains(p.from, "") {
		return nil, errors.New("--policies is empty; name a directory, a file or library:NAME")
	}
	for _, from := range p.from {
		if strings.HasSuffix(from, ".tar.gz") || strings.HasSuffix(from, ".tgz") {
			return nil, fmt.Errorf("--policies %s is a bundle, which is not read here; name the directory or the files it was built from", from)
		}
	}
	for _, from := range p.from {
		if name, ok := strings.CutPrefix(from, libraryPrefix); ok {
			out.Library = append(out.Library, name)
		} else {
			out.Paths = append(out.Paths, from)
		}
	}
	return out, p.readParameters(out)
}

// readParameters reads those of the library's policies, once: they change when the command is started anew, as the flags do.
func (p *policyFlags) readParameters(out *source.Files) error {
	if p.parameters == "" {
		return nil
	}
	if len(out.Library) == 0 {
		return errors.New("--library-parameters is for policies of the library, and --policies names none; add --policies library:NAME, or leave it out")
	}
	text, err := os.ReadFile(p.parameters)
	if err == nil {
		out.LibraryParameters, err = native.ReadLibraryParameters(text)
	}
	if err != nil {
		return fmt.Errorf("--library-parameters %s: %w", p.parameters, err)
	}
	return nil
}

// gatekeeperOperations are those for which Gatekeeper has itself called, unless its chart is told otherwise: its users' templates were never
// asked about a DELETE, and would refuse to let go of what they would not let in.
func gatekeeperOperations() []string { return []string{"CREATE", "UPDATE"} }

// NewReader returns a Reader that knows the embedded library. It is exported for the contract tests.
func NewReader() (*native.Reader, error) { return embedded() }

// embedded reads the library, once: to parse it takes a tenth of a second.
var embedded = sync.OnceValues(func() (*native.Reader, error) { //nolint:gochecknoglobals // what is in the binary never changes
	var files []native.File
	for _, from := range []fs.FS{library.FS(), library.Tests()} {
		err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(from, name)
			files = append(files, native.File{Name: "library/" + name, Text: text})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("the library: %w", err)
		}
	}
	return native.NewReader(files)
})
