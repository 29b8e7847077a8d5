// Package native is the front end for policies in Portcullis' own format: Rego packages with METADATA, Policy documents that put
// them in force with other parameters, and admission policies written for OPA before, which run as they are.
package native

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// File is one file of a bundle; Name is what messages call it.
type File struct {
	Name   string
	Text   []byte
	Format Format
}

// Format is what a File holds.
type Format uint8

// The formats. What a file on a disk holds, its name's extension says; what comes of an API has a name of another kind.
const (
	ByName Format = iota
	RegoText
	YAMLText // JSON included
)

// format tells what a file holds; false means that it is none of the reader's business: a test, or something else altogether.
func (f File) format() (Format, bool) {
	switch {
	case f.Format != ByName:
		return f.Format, true
	case isTestFile(f.Name):
		return ByName, false
	}
	extension := strings.ToLower(path.Ext(f.Name))
	if extension == ".rego" {
		return RegoText, true
	}
	return YAMLText, slices.Contains([]string{".yaml", ".yml", ".json"}, extension)
}

// HasDocuments reports whether the file is one of YAML or JSON documents that the reader looks at.
func (f File) HasDocuments() bool {
	format, ok := f.format()
	return ok && format == YAMLText && len(f.Text) <= maxSource
}

// Reader reads policies. It knows the library: its helper packages may be imported by every policy, and its policies used by
// Policy documents. A Reader is safe for concurrent use.
type Reader struct {
	library packages
	tests   tests     // of the library
	shared  []ast.Ref // its helper packages
	bundles []LibraryBundle
	now     func() time.Time
}

// NewReader returns a Reader with the given library: its packages, their tests to be looked at, and in files of YAML its bundles.
func NewReader(library []File) (*Reader, error) {
	r := &Reader{library: packages{}, tests: tests{}, now: time.Now}
	for _, file := range library {
		if r.tests.add(file) {
			continue
		}
		if format, _ := file.format(); format == YAMLText {
			l, err := readBundle(file)
			if err != nil {
				return nil, fmt.Errorf("the library: %w", err)
			}
			r.bundles = append(r.bundles, l)
			continue
		}
		m, err := parse(file.Name, file.Text)
		if err != nil {
			return nil, fmt.Errorf("the library: %w", err)
		}
		if !strings.HasPrefix(m.path(), libraryPrefix) {
			if readsParameters(m.Module) {
				return nil, fmt.Errorf("the library: %s reads input.parameters; a helper package serves policies with different ones", file.Name)
			}
			r.shared = append(r.shared, m.Package.Path)
		}
		r.library[m.path()] = append(r.library[m.path()], m)
	}
	slices.SortFunc(r.bundles, func(a, b LibraryBundle) int { return strings.Compare(a.Name, b.Name) })
	return r, r.complete()
}

// Read reads the policies of a bundle. Files that are neither Rego nor documents of portcullis.dev are passed over, and so are
// Rego tests. What is wrong with one file or policy is a Fault; the others are read all the same.
func (r *Reader) Read(files []File) ([]policies.Spec, policies.Faults) {
	b := bundle{reader: r, packages: maps.Clone(r.library), tests: maps.Clone(r.tests), shared: r.shared, own: map[string]bool{}, used: map[string]bool{}}
	var objects []object
	for _, file := range files {
		switch format, ok := file.format(); {
		case !ok:
			b.tests.add(file)
		case format == RegoText:
			b.addModule(file)
		default:
			found, err := objectsOf(file)
			objects = append(objects, found...)
			b.fault(file.Name, "", err)
		}
	}
	for _, o := range objects {
		b.used[o.policy.Spec.Use] = true
	}
	for _, name := range slices.Sorted(maps.Keys(b.own)) {
		spec, isPolicy, err := b.spec(name, object{})
		b.fault(b.packages[name][0].Package.Location.File, spec.ID, err)
		if isPolicy && err == nil {
			b.specs = append(b.specs, spec)
		}
	}
	for _, o := range objects {
		spec, err := b.object(o)
		b.fault(o.File, o.policy.Name, err)
		if err == nil {
			b.specs = append(b.specs, spec)
		}
	}
	return b.specs, b.faults
}

// Names lists the library's policies, sorted.
func (r *Reader) Names() []string {
	var out []string
	for name, modules := range r.library {
		if strings.HasPrefix(name, libraryPrefix) {
			out = append(out, identity(modules[0].Package.Path))
		}
	}
	slices.Sort(out)
	return out
}

// bundle is one reading in progress.
type bundle struct {
	reader   *Reader
	packages packages
	tests    tests
	shared   []ast.Ref
	own      map[string]bool // paths of the packages the bundle brought itself
	used     map[string]bool // names of the policies that Policy documents put in force
	specs    []policies.Spec
	faults   policies.Faults
}

func (b *bundle) fault(file, policy string, err error) {
	if err != nil {
		b.faults = append(b.faults, policies.Fault{File: file, Policy: policy, Err: err})
	}
}

func (b *bundle) addModule(file File) {
	m, err := parse(file.Name, file.Text)
	if err == nil {
		err = b.foreign(m)
	}
	if err != nil {
		b.fault(file.Name, "", err)
		return
	}
	b.own[m.path()] = true
	b.packages[m.path()] = append(b.packages[m.path()], m)
}

// foreign returns an error for a module in the library's rooms: in one of its packages, around one or inside one, or with the name that
// one of its policies goes by.
func (b *bundle) foreign(m module) error {
	for name, modules := range b.packages {
		theirs := modules[0].Package.Path
		if b.own[name] || !overlap(theirs, m.Package.Path) && identity(theirs) != identity(m.Package.Path) {
			continue
		}
		return fmt.Errorf("%s:%d: package %s belongs to the library or is named like its policy; give yours another name",
			m.Package.Location.File, m.Package.Location.Row, m.Package.Path)
	}
	return nil
}

// lookup finds the package that a policy's name stands for, or "".
func (b *bundle) lookup(name string) string {
	for path, modules := range b.packages {
		if identity(modules[0].Package.Path) == name {
			return path
		}
	}
	return ""
}

// spec makes a policy of the package at path. A package without METADATA for the server is one all the same if it defines a rule by
// which admission policies refuse: left out it would silently not be enforced. What over says of it holds over its METADATA.
func (b *bundle) spec(path string, over object) (spec policies.Spec, isPolicy bool, err error) {
	modules := b.packages[path]
	spec.ID = identity(modules[0].Package.Path)
	meta, described, err := readMetadata(modules)
	if err != nil {
		return spec, true, err
	}
	if !described {
		if err := lost(modules); err != nil {
			return spec, true, err
		}
		if err := b.unasked(path); err != nil {
			return spec, true, err
		}
		if ruleOf(modules, "deny") == nil && ruleOf(modules, "warn") == nil {
			return spec, false, nil
		}
	}
	spec, err = b.build(modules, meta, over, !described)
	return spec, true, err
}

// build makes a policy of a package, its METADATA and a Policy document, if there is one. Its errors begin with file and row.
func (b *bundle) build(modules []module, meta metadata, o object, legacy bool) (policies.Spec, error) {
	pkg, over := modules[0].Package, o.policy.Spec
	spec := policies.Spec{
		ID: identity(pkg.Path), Title: meta.title, Description: meta.description, Severity: meta.Severity, Controls: meta.Controls,
		File: pkg.Location.File, Row: pkg.Location.Row, Package: pkg.Path, Lenient: legacy,
	}
	for _, m := range modules {
		spec.Source = append(spec.Source, policies.SourceText{File: m.Package.Location.File, Text: m.text})
	}
	spec.Tests = b.tests.of(pkg.Path)
	at, whom, given := fmt.Sprintf("%s:%d", pkg.Location.File, pkg.Location.Row), "policy "+spec.ID, meta.keys
	if o.policy.Name != "" {
		at, whom, given = o.At(), "Policy "+o.policy.Name, o.keys
	}
	var err error
	if spec.Data, err = meta.kinds(); err != nil {
		return spec, blame(err, at, whom, meta.keys)
	}
	if spec.MaxStaleness, err = meta.staleness(); err != nil {
		return spec, blame(err, at, whom, meta.keys)
	}
	matched := narrow(meta.Match, over.Match)
	path := modules[0].path()
	if spec.Rules, err = rules(modules, matched.Stage, b.readsSpec(path)); err != nil {
		return spec, blame(err, at, whom, given, meta.keys)
	}
	if err := b.rightly(modules, meta, spec.Rules, o, legacy); err != nil {
		return spec, blame(err, at, whom, given, meta.keys)
	}
	if spec.Match, err = match(matched, spec.Rules, legacy); err != nil {
		return spec, blame(err, at, whom, given, meta.keys)
	}
	spec.Objects = objects(meta.Match, over.Use != "", spec)
	if spec.Enforcement, spec.OnError, err = strengths(first(over.Enforcement, meta.Enforcement), first(over.OnError, meta.OnError)); err != nil {
		return spec, blame(err, at, whom, given, meta.keys)
	}
	schema, err := newSchema(meta.Parameters, spec.Objects)
	if err != nil {
		return spec, blame(err, at, whom, meta.keys)
	}
	var values json.RawMessage
	if over.Parameters != nil {
		values = over.Parameters.Raw
	}
	var late []error
	if spec.Parameters, late, err = schema.parameters(values, b.reader.now()); err != nil {
		return spec, blame(err, at, whom, given)
	}
	if strings.HasPrefix(path, libraryPrefix) && o.policy.Name != "" {
		late = append(late, ofFuture(values)...)
	}
	for _, note := range append(late, unseenTemplates(spec)...) {
		spec.Notes = append(spec.Notes, blame(note, at, whom, given, meta.keys).Error())
	}
	if spec.Match.Changes, err = changes(matched, over.Match, spec); err != nil {
		return spec, blame(err, at, whom, given, meta.keys)
	}
	if !declaresTemplates(spec.Parameters) {
		spec.Shared = b.shared
	}
	if meta.keys.node != nil { // without METADATA the policy was written for OPA, and may well ask what it is not given
		if err := schema.undeclared(modules); err != nil {
			return spec, blame(err, at, whom)
		}
		if err := schema.ungiven(modules, spec.Parameters); err != nil && spec.Enforcement != policies.EnforceOff {
			return spec, blame(err, at, whom, meta.keys)
		}
	}
	sum := sha256.New()
	for _, m := range b.packages.closure(path) {
		spec.Modules = append(spec.Modules, m.Module)
		fmt.Fprintf(sum, "%s %d\n%s\n", m.Package.Location.File, len(m.text), m.text)
	}
	text, err := json.Marshal(over)
	if err != nil {
		return spec, err
	}
	sum.Write(text)
	spec.Digest = hex.EncodeToString(sum.Sum(nil))
	return spec, nil
}

// rightly returns an error for what the rules of a package say and the server would never hear of: a rule that is not asked, or one that
// reads what no review has.
func (b *bundle) rightly(modules []module, meta metadata, asked []policies.Rule, o object, legacy bool) error {
	var stages []review.Stage
	for _, rule := range asked {
		stages = append(stages, rule.Stage)
	}
	if meta.Match != nil && o.policy.Name != "" { // which a document may narrow or replace
		of, err := rules(modules, meta.Match.Stage, b.readsSpec(modules[0].path()))
		if err == nil {
			for _, rule := range of {
				stages = append(stages, rule.Stage)
			}
		}
	}
	if meta.keys.node != nil && o.policy.Name == "" && !b.used[identity(modules[0].Package.Path)] {
		for _, check := range []func() error{
			func() error { return b.slip(modules) },
			func() error { return b.ofTokens(modules) },
			func() error { return b.elsewhere(modules, asked) },
		} {
			if err := check(); err != nil {
				return err
			}
		}
	}
	return b.neverThere(modules, stages, legacy)
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// strengths reads enforcement and onError; the second is by default as the first.
func strengths(enforcement, onError string) (policies.Enforcement, policies.OnError, error) {
	fallback := map[string]string{"": "deny", "deny": "deny", "warn": "warn", "audit": "allow", "off": "allow"}
	byDefault, ok := fallback[enforcement]
	if !ok {
		return "", "", under(fmt.Errorf("enforcement %q is none of deny, warn, audit and off", enforcement), "enforcement")
	}
	if onError == "" {
		onError = byDefault
	}
	if !slices.Contains([]string{"deny", "warn", "allow"}, onError) {
		return "", "", under(fmt.Errorf("onError %q is none of deny, warn and allow", onError), "onError")
	}
	return policies.Enforcement(first(enforcement, "deny")), policies.OnError(onError), nil
}
