package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// given is what the files of -f hold.
type given struct {
	subjects []subject
	docs     []documents.Document // all of them; templates and constraints are no subjects
	unread   []string             // directories in those that were named
}

// read reads all files the flags name.
func (f *reviewFlags) read(stdin io.Reader) (out given, err error) {
	old, err := f.readOld(stdin)
	if err != nil {
		return out, err
	}
	files, unread, err := filesOf(f.files, f.recursive)
	if err != nil {
		return out, err
	}
	out.unread = unread
	count := 0 // an empty List is one, and the answer of a cluster that has nothing of the kind
	for _, name := range files {
		found, docs, err := readFile(name, stdin)
		if err != nil {
			return out, err
		}
		if name == "-" && len(found)+len(docs) == 0 { // whatever else there is: what should have been piped in was not
			return out, fmt.Errorf("there is nothing to judge: no document in %s", stdinName)
		}
		count += len(found) + len(docs)
		out.docs = append(out.docs, docs...)
		out.subjects = append(out.subjects, slices.DeleteFunc(found, func(s subject) bool { return gatekeeper.Concerns(s.head.APIVersion) })...)
	}
	switch {
	case count == 0:
		return out, fmt.Errorf("there is nothing to judge: no document in %s", strings.Join(f.files, ", "))
	case len(out.subjects) == 0 && slices.ContainsFunc(out.docs, isPolicy):
		return out, fmt.Errorf("there is nothing to judge: only policies in %s", strings.Join(f.files, ", "))
	}
	if err := f.wasted(out.subjects); err != nil {
		return out, err
	}
	for i := range out.subjects {
		s := &out.subjects[i]
		if s.err != nil {
			continue
		}
		if err := f.ask(s, old); err != nil {
			s.err = fmt.Errorf("%s: %w", s.at(), err)
		}
	}
	return out, nil
}

// isPolicy reports whether a document, or an item of one that is a List, says what to judge by.
func isPolicy(doc documents.Document) bool {
	return slices.ContainsFunc(subjectsOf(subject{file: doc.File, row: doc.Row, text: doc.JSON}), func(s subject) bool {
		return gatekeeper.Concerns(s.head.APIVersion)
	})
}

// readOld reads --old-object; without it there is none.
func (f *reviewFlags) readOld(stdin io.Reader) (*subject, error) {
	if f.oldObject == "" {
		return nil, nil
	}
	found, _, err := readFile(f.oldObject, stdin)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s: --old-object takes a file with one document", f.oldObject)
	}
	return &found[0], found[0].err
}

// wasted returns an error if a flag that is for manifests was given and there is none.
func (f *reviewFlags) wasted(subjects []subject) error {
	only := slices.IndexFunc(subjects, func(s subject) bool { return s.err == nil && s.head.isReview() })
	if only < 0 || slices.ContainsFunc(subjects, func(s subject) bool { return s.err == nil && !s.head.isReview() }) {
		return nil
	}
	for _, name := range []string{"as-user", "as-group", "namespace", "operation", "old-object"} {
		if f.given != nil && f.given(name) {
			s := subjects[only]
			return fmt.Errorf("--%s is for manifests, and %s is of kind %s, which says such things itself; change it there, and leave --%s out",
				name, s.at(), s.head.Kind, name)
		}
	}
	return nil
}

// filesOf puts the manifests of a directory, in the order of their names, in its place. Directories in it are left alone, as kubectl does,
// unless they are asked for; unread names those.
func filesOf(names []string, recursive bool) (out, unread []string, err error) {
	for _, name := range names {
		if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
			out = append(out, name) // what is wrong with it is found out when it is read
			continue
		}
		files, below, err := manifests(name, recursive)
		if err != nil {
			return nil, nil, err
		}
		if len(files) == 0 && len(below) > 0 {
			return nil, nil, fmt.Errorf("there is no .yaml, .yml or .json file in the directory %s; "+
				"add --recursive to judge what is in those below", name)
		}
		if len(files) == 0 {
			return nil, nil, fmt.Errorf("there is no .yaml, .yml or .json file in the directory %s", name)
		}
		out, unread = append(out, files...), append(unread, below...)
	}
	return out, unread, nil
}

// manifests lists the files of a directory and, if recursive, of those below; else below names these. What begins with a dot is neither.
func manifests(dir string, recursive bool) (files, below []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		switch {
		case entry.IsDir() && strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir() && recursive:
			more, _, err := manifests(name, true)
			if err != nil {
				return nil, nil, err
			}
			files = append(files, more...)
		case entry.IsDir():
			below = append(below, name)
		case slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)):
			files = append(files, name)
		}
	}
	return files, below, nil
}

// readFile reads the documents of a YAML or JSON file; a List is its items. Where it cannot be read any further, the last subject says so.
func readFile(name string, stdin io.Reader) (out []subject, docs []documents.Document, err error) {
	var text []byte
	if name == "-" {
		name = stdinName
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, nil, err
	}
	docs, torn := documents.Split(name, text)
	for _, doc := range docs {
		out = append(out, subjectsOf(subject{file: name, row: doc.Row, text: doc.JSON})...)
	}
	if torn != nil {
		out = append(out, subject{file: name, err: torn})
	}
	return out, docs, nil
}
