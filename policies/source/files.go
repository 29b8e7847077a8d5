// Package source has the Sources of bundles: one file for each place policies may live.
package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// Files is a Source of files, directories with all below them, and policies of the library, read as one bundle and read again when
// something changes there. It understands editors that save by renaming and Kubernetes' volumes, whose ..data symlink is swapped.
// Names that begin with a dot are passed over.
type Files struct {
	Paths   []string // files and directories
	Library []string // names of the library's policies to put in force
	// LibraryParameters are given to those of them that have them.
	LibraryParameters native.LibraryParameters
	Reader            *native.Reader
	// Gatekeeper reads the templates and constraints among the files. It is ready as it is.
	Gatekeeper gatekeeper.Reader
	// Documents are read with those of the files: templates and constraints that lie elsewhere.
	Documents []documents.Document
}

const (
	// quiet is how long after the first event a change is read: an editor's save is several within milliseconds.
	quiet = 50 * time.Millisecond
	// poll finds what no event tells of, as on network file systems.
	poll = 10 * time.Second
	// maxFiles and maxBytes bound a bundle, so that "--policies /" ends in an error and not in swapping.
	maxFiles = 10_000
	maxBytes = 64 << 20
	// maxDepth stops at symlinks that lead round in circles.
	maxDepth = 16
)

// Run yields the bundle at once and after each change. It returns an error when a path cannot be read at the start; one that vanishes
// later is a fault, yielded once and again when it is gone, and what was read from it stays meanwhile. A policy whose file is gone is so
// a second later, and one whose file is empty stays, with a fault: tools that save by deleting or truncating leave a moment in between.
func (f *Files) Run(ctx context.Context, yield func(policies.Bundle)) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the policy files: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	state, err := f.scan()
	if err != nil {
		return err
	}
	state.watch(watcher)
	var r reading
	bundle, _ := r.next(ctx, f, state, nil, time.Now())
	yield(bundle)
	for changed(ctx, watcher, r.wait(time.Now())) {
		state, err := f.scan()
		if err == nil {
			state.watch(watcher)
		}
		if bundle, news := r.next(ctx, f, state, err, time.Now()); news {
			yield(bundle)
		}
	}
	return nil
}

// Load reads the bundle once. Files without content are among its notes: what was to be written there may be missing.
func (f *Files) Load(ctx context.Context) (policies.Bundle, error) {
	state, err := f.scan()
	if err != nil {
		return policies.Bundle{}, err
	}
	out := f.read(ctx, state)
	for _, file := range state.files {
		if filepath.Ext(file.Name) != ".rego" && len(bytes.TrimSpace(file.Text)) == 0 { // of Rego it is a fault
			out.Notes = append(out.Notes, file.Name+": this file is empty")
		}
	}
	return out, nil
}

// read hands the files to the front ends. Each takes the documents of its own groups and passes over the others'.
func (f *Files) read(ctx context.Context, state snapshot) policies.Bundle {
	specs, faults := f.Reader.Read(state.files)
	exceptions, faulty := f.Reader.Exceptions(state.files)
	used, unknown := f.Reader.UseWith(f.LibraryParameters, f.Library...)
	theirs := f.Gatekeeper.Read(ctx, append(documentsOf(state.files), f.Documents...))
	var templates []string
	for _, template := range theirs.Templates {
		templates = append(templates, template.File)
	}
	specs = append(specs, used...)
	return policies.Bundle{
		Specs: append(specs, theirs.Specs...), Exceptions: exceptions, Templates: templates, Documents: theirs.Documents,
		Faults: slices.Concat(faults, faulty, unknown, theirs.Faults), Notes: append(notesOf(specs), theirs.Notes...),
	}
}

// notesOf are what should be known of policies.
func notesOf(specs []policies.Spec) (out []string) {
	for _, spec := range specs {
		out = append(out, spec.Notes...)
	}
	return out
}

// documentsOf are the documents of the files that have any. What is wrong with a file is the native front end's to tell.
func documentsOf(files []native.File) (out []documents.Document) {
	for _, file := range files {
		if file.HasDocuments() {
			found, _ := documents.Split(file.Name, file.Text)
			out = append(out, found...)
		}
	}
	return out
}

// changed waits for a change and a moment longer, and no longer than atMost for either. It returns false when ctx ends.
func changed(ctx context.Context, watcher *fsnotify.Watcher, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	seen := false
	for {
		select {
		case <-ctx.Done():
			return false
		case <-watcher.Events:
		case <-watcher.Errors: //nolint:errcheck // events were lost; look at everything
		case <-timer.C:
			return true
		}
		if !seen { // not again with each event: beside a file that is written all the time nothing would ever be read
			seen = true
			timer.Reset(quiet)
		}
	}
}

// snapshot is what lies in the paths at one moment.
type snapshot struct {
	files  []native.File
	read   map[string]bool // their paths
	dirs   []string
	bytes  int
	digest [sha256.Size]byte
}

func (f *Files) scan() (snapshot, error) {
	s := snapshot{read: map[string]bool{}}
	for _, path := range f.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return s, fmt.Errorf("policies: %w", err)
		}
		if info.IsDir() {
			err = s.addDir(path, 0)
		} else {
			s.dirs = append(s.dirs, filepath.Dir(path))
			err = s.addFile(path)
		}
		if err != nil {
			return s, err
		}
	}
	sum := sha256.New()
	for _, file := range s.files {
		fmt.Fprintf(sum, "%s %d\n%s\n", file.Name, len(file.Text), file.Text)
	}
	copy(s.digest[:], sum.Sum(nil))
	return s, nil
}

func (s *snapshot) addDir(dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("policies: %s: directories nest deeper than %d, or a symlink leads back", dir, maxDepth)
	}
	s.dirs = append(s.dirs, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed between the two looks
		case err != nil:
			return fmt.Errorf("policies: %w", err)
		case info.IsDir():
			if err := s.addDir(path, depth+1); err != nil {
				return err
			}
		case slices.Contains([]string{".rego", ".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path))):
			if err := s.addFile(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *snapshot) addFile(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	if s.bytes += len(text); len(s.files) == maxFiles || s.bytes > maxBytes {
		return fmt.Errorf("policies: %s: more than %d files or %d MiB; name a smaller directory", path, maxFiles, maxBytes>>20)
	}
	if s.read[filepath.Clean(path)] {
		return fmt.Errorf("policies: %s is read twice; name each path once, and none that lies in another", path)
	}
	s.read[filepath.Clean(path)] = true
	s.files = append(s.files, native.File{Name: path, Text: text})
	return nil
}

// watch adds what is not watched yet; a directory that vanished takes its watch with it. What cannot be watched is polled.
func (s *snapshot) watch(watcher *fsnotify.Watcher) {
	for _, dir := range s.dirs {
		_ = watcher.Add(dir)
	}
}
