package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// restore makes Namespaces known that were kept from before this process, as long as the cluster has not listed its own.
func (n *namespaces) restore(kept []json.RawMessage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.synced:
		return nil
	default:
	}
	n.restored = map[string]bool{}
	for _, text := range kept {
		ns := &corev1.Namespace{}
		if err := json.Unmarshal(text, ns); err != nil {
			return fmt.Errorf("a namespace that was kept cannot be read: %w", err)
		}
		if _, known := n.known.Load(ns.Name); known {
			continue // and heard of already
		}
		n.restored[ns.Name] = true
		n.store(ns)
	}
	return nil
}

// standIn reports whether Namespaces from before are all there is.
func (n *namespaces) standIn() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.restored != nil
}

// heard notes that the cluster has said something of a Namespace. It is called with mu held.
func (n *namespaces) heard(name string) {
	n.changes.Add(1)
	delete(n.restored, name)
}

// listed forgets what was kept and is not there any more.
func (n *namespaces) listed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.restored {
		n.known.Delete(name)
	}
	n.restored = nil
	close(n.synced)
}

// maxKeptNamespaces bounds what is kept of them: some ten thousand. Policies that ask about a Namespace which is not known answer as their onError says.
const maxKeptNamespaces = 16 << 20

// all returns the Namespaces to keep, nil if they are too many.
func (n *namespaces) all(ctx context.Context) ([]json.RawMessage, error) {
	var list corev1.NamespaceList
	if err := n.cache.List(ctx, &list); err != nil {
		return nil, err
	}
	slices.SortFunc(list.Items, func(a, b corev1.Namespace) int { return cmp.Compare(a.Name, b.Name) })
	size, out := 0, make([]json.RawMessage, 0, len(list.Items))
	for i := range list.Items {
		text, err := json.Marshal(&list.Items[i])
		if err != nil {
			return nil, err
		}
		if size += len(text); size > maxKeptNamespaces {
			return nil, nil
		}
		out = append(out, text)
	}
	return out, nil
}
