package reports

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/audit"
)

// sync reads what there is.
func (w *Writer) sync(ctx context.Context) error {
	all, err := served(ctx, w.kinds)
	if err != nil {
		return err
	}
	if w.owner, err = w.Owner(ctx); err != nil {
		return fmt.Errorf("with what the reports vanish: %w", err)
	}
	chosen := w.Choice.choose(all)
	there, since, others := map[string]*written{}, map[string]int64{}, []present(nil)
	for _, one := range all {
		err := w.list(ctx, one, func(p present) {
			for _, r := range p.Results {
				id := r.Properties["id"]
				if before, ok := since[id]; !ok || r.Timestamp.Seconds < before {
					since[id] = r.Timestamp.Seconds
				}
			}
			switch {
			case p.shard != label(w.Shard):
			case one == chosen:
				there[p.key()] = w.known(p)
			default:
				p.Object = Object{Metadata: p.Metadata}
				others = append(others, p)
			}
		})
		if err != nil {
			return err
		}
	}
	if chosen != w.api {
		w.Log.Info("the kind of reports has changed", "kind", chosen.String())
	}
	w.api, w.written, w.since, w.others = chosen, there, since, others
	return nil
}

func (p present) key() string { return p.Metadata.Namespace + "/" + p.Metadata.Name }

// known is what is there of an object, without what others have added.
func (w *Writer) known(p present) *written {
	object := p.Object
	ours := w.dress(Object{})
	maps.DeleteFunc(object.Metadata.Labels, func(key, _ string) bool { _, ok := ours.Metadata.Labels[key]; return !ok })
	maps.DeleteFunc(object.Metadata.Annotations, func(key, _ string) bool { return !slices.Contains([]string{Reconciled, Revision, Omitted}, key) })
	out := &written{present: p}
	out.results, out.whole, _ = digests(object)
	out.Object = Object{Metadata: p.Metadata}
	return out
}

// dress is an object as it is written into the cluster.
func (w *Writer) dress(o Object) Object {
	o = w.api.as(o)
	o.Metadata.Labels = w.labels(w.Shard)
	if w.owner != nil {
		o.Metadata.Owners = []metav1.OwnerReference{*w.owner}
	}
	return o
}

// digests are of what is said, and of all with the numbers.
func digests(o Object) (results, whole [sha256.Size]byte, text []byte) {
	text, _ = json.Marshal(o) // of strings and numbers nothing is wrong
	whole = sha256.Sum256(text)
	o.Summary = audit.Counts{}
	o.Metadata.Annotations = nil
	said, _ := json.Marshal(o)
	return sha256.Sum256(said), whole, text
}
