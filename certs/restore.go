package certs

import "errors"

// Restore serves a pair that was kept from before this process, tls.crt, tls.key and, if it is not empty, ca.crt, until the Secret can be
// read. It does nothing once a pair was read. The error says why the pair cannot be served, as when it has expired.
func (s *Secret) Restore(cert, key, authorities []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Load() != nil {
		return nil
	}
	found := contents{cert: cert, key: key}
	if len(authorities) > 0 {
		found.ca = authorities
	}
	s.take(found, nil)
	if s.current.Load() == nil {
		return s.Err()
	}
	s.restored = true
	// What is the matter with the Secret will be said when it is tried again; a server that is ready must not hide it.
	notYet := errors.New(s.what + " was not read yet; a pair that was kept is served")
	s.problem.Store(&notYet)
	return nil
}

// Restored reports whether the pair served is one that was kept, because none was read yet.
func (s *Secret) Restored() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restored
}

// Pair returns what was read last and could be served, as PEM: tls.crt, tls.key and ca.crt. Before that it is nothing.
func (s *Secret) Pair() (cert, key, authorities []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.current.Load()
	if p == nil || s.restored {
		return nil, nil, nil
	}
	return p.files.cert, p.files.key, p.files.ca
}

// learn takes what was found in the Secret.
func (s *Secret) learn(found contents, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(found, err)
	if s.Err() == nil {
		s.restored = false
	}
}
