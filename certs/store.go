package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const authorityKeyFile = "ca.key"

// store keeps a material in a directory. The zero store keeps nothing.
type store struct{ dir string }

// broken tells of a file that somebody has to look at. What is merely out of date is replaced without asking.
func (s store) broken(err error) error {
	return fmt.Errorf("%w; repair it, or remove ca.crt, ca.key, tls.crt and tls.key from %s to have new ones made", err, s.dir)
}

// load returns what the directory holds; missing parts are nil. Files that contradict each other are errors, except for a leaf
// that is not its key's: that is what a crash between two writes leaves, and the authority can make another.
func (s store) load() (material, error) {
	var m material
	if s.dir == "" {
		return m, nil
	}
	caPEM, err := s.read(authorityFile)
	if err != nil {
		return m, err
	}
	if caPEM == nil {
		return m, s.foreign() // a ca.key alone is what a crash at the very start leaves
	}
	cas, err := parseCertificates(s.path(authorityFile), caPEM)
	if err != nil {
		return m, s.broken(err)
	}
	keyPEM, err := s.read(authorityKeyFile)
	if err != nil {
		return m, err
	}
	if keyPEM == nil {
		return m, s.broken(fmt.Errorf("%s is missing while %s is there", s.path(authorityKeyFile), s.path(authorityFile)))
	}
	keys, err := parseKeys(s.path(authorityKeyFile), keyPEM)
	if err != nil {
		return m, s.broken(err)
	}
	key := owner(cas[0], keys)
	if key == nil {
		return m, s.broken(fmt.Errorf("%s is not the private key of %s", s.path(authorityKeyFile), s.path(authorityFile)))
	}
	if !cas[0].IsCA {
		return m, s.broken(fmt.Errorf("%s is not the certificate of an authority", s.path(authorityFile)))
	}
	m.newest = &authority{cert: cas[0], key: key}
	for _, ca := range cas[1:] {
		m.previous = append(m.previous, &authority{cert: ca, key: owner(ca, keys)})
	}
	return s.loadLeaf(m)
}

// foreign returns an error if the directory holds a pair that save did not write, since it would write ca.crt before: somebody
// else's key must not be overwritten.
func (s store) foreign() error {
	for _, name := range []string{certificateFile, keyFile} {
		data, err := s.read(name)
		if err != nil {
			return err
		}
		if data != nil {
			return s.broken(fmt.Errorf("%s is there without %s, so it was not made by this server", s.path(name), s.path(authorityFile)))
		}
	}
	return nil
}

func (s store) loadLeaf(m material) (material, error) {
	certPEM, err := s.read(certificateFile)
	if err != nil || certPEM == nil {
		return m, err
	}
	keyPEM, err := s.read(keyFile)
	if err != nil || keyPEM == nil {
		return m, err
	}
	certs, err := parseCertificates(s.path(certificateFile), certPEM)
	if err != nil {
		return m, s.broken(err)
	}
	keys, err := parseKeys(s.path(keyFile), keyPEM)
	if err != nil {
		return m, s.broken(err)
	}
	key := owner(certs[0], keys)
	for _, ca := range m.bundle() {
		if key != nil && certs[0].CheckSignatureFrom(ca) == nil {
			m.leaf, m.leafKey = certs[0], key
		}
	}
	return m, nil
}

// save writes m. The keys go first, and ca.key keeps the previous authorities' keys too: whichever write a crash prevents, the
// key of the certificate then on disk is still there.
func (s store) save(m material) error {
	if s.dir == "" {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of the certificates: %w", err)
	}
	caKeyPEM, err := encodeKeys(m.keys()...)
	if err != nil {
		return err
	}
	leafKeyPEM, err := encodeKeys(m.leafKey)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{
		{authorityKeyFile, caKeyPEM, 0o400}, // nobody edits a key; replacing the file needs no right to write it
		{authorityFile, encodeCertificates(m.bundle()...), 0o644},
		{keyFile, leafKeyPEM, 0o400},
		{certificateFile, encodeCertificates(m.leaf), 0o644},
	} {
		if err := replace(s.path(file.name), file.data, file.mode); err != nil {
			return err
		}
	}
	return nil
}

func (s store) path(name string) string { return filepath.Join(s.dir, name) }

// read returns nil when there is no such file.
func (s store) read(name string) ([]byte, error) {
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a certificate or key: %w", err)
	}
	return data, nil
}

// replace puts data at path so that readers see the old file or the new one and nothing between, even after a power cut.
func replace(path string, data []byte, mode fs.FileMode) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // created with mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
		}
	}()
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Chmod(mode)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closing := temp.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}
