package suite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// everything at the end of a path is the directory and all below it.
const everything = "..."

// Find lists the files under paths that may hold suites, sorted, each once: a path is a .yaml or .yml file, a directory for those in it, or
// "DIR/..." for those below it, too. What does not mention the group of a suite is passed over. The error says which paths cannot be read; the
// files of the others are returned with it.
func Find(paths []string) (files []string, err error) {
	var wrong []error
	for _, path := range paths {
		found, err := find(path)
		if err != nil {
			wrong = append(wrong, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return slices.Compact(files), errors.Join(wrong...)
}

func find(path string) (files []string, err error) {
	root, recursive := strings.CutSuffix(filepath.ToSlash(path), everything)
	root = filepath.Clean(root) // nothing before the dots is the working directory
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return nil, named(path, err)
	case !info.IsDir() && recursive:
		return nil, fmt.Errorf("%s: %s is a file, and only a directory has something below it; leave /... out", path, root)
	case !info.IsDir() && !isYAML(root):
		return nil, fmt.Errorf("%s: a suite is a .yaml or .yml file", path)
	case !info.IsDir():
		return mentioned(root)
	case recursive:
		err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !isYAML(name) {
				return err
			}
			found, err := mentioned(name)
			files = append(files, found...)
			return err
		})
		return files, err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if name := filepath.Join(root, entry.Name()); !entry.IsDir() && isYAML(name) {
			found, err := mentioned(name)
			if err != nil {
				return files, err
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

func isYAML(name string) bool { ext := filepath.Ext(name); return ext == ".yaml" || ext == ".yml" }

// mentioned is the file if the group of a suite is in its text. What lies beside suites is not held to any form.
func mentioned(file string) ([]string, error) {
	text, err := readable(file)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte(gatekeepersGroup)) || bytes.Contains(text, []byte(ownGroup)) {
		return []string{file}, nil
	}
	return nil, nil
}

// missing is the error of a file that is not there.
type missing string

func (m missing) Error() string { return string(m) + ": there is no such file" }

// maxFile bounds a file in bytes: an API server takes no object of more than 3 MiB, and an inventory has a few.
const maxFile = 64 << 20

// readable reads a file. Errors name it.
func readable(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, named(file, err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB, and not read", maxFile>>20)
	}
	return text, named(file, err)
}

// named makes of an error of the file system one that says in a sentence what is wrong with the file.
func named(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return missing(file)
	}
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrong.Err
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return err
}
