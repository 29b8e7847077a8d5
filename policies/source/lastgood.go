package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies/native"
)

const (
	// managedBy marks what we made, and so may write.
	managedBy = "app.kubernetes.io/managed-by"
	manager   = "portcullis"

	// entryFormat is that of one version in the Secret.
	entryFormat = 1
	// maxEntry bounds what a version unfolds to: more than the API server takes as one object.
	maxEntry = 2 << 20
	// maxEntries bounds all versions together as they lie in the Secret, which may be a mebibyte, in JSON and base64.
	maxEntries = 640 << 10

	// mendEvery is how often the leader looks whether the Secret is what it should be when nothing has changed, and keepAgain when a write failed.
	mendEvery = time.Minute
	keepAgain = 5 * time.Second
)

// LastGood keeps the last good version of each Policy, and of each template, constraint and mutator of Gatekeeper's, that is faulty in one Secret, where a server finds it that is started later. It must
// run on one server at a time, the leader: every write is refused by the API server if anybody wrote the Secret since it was read. What is
// kept of a Policy goes when that is good again or deleted, and nothing is kept of one that never was good.
//
// It is a Secret because whoever may write it says what is in force in place of a faulty Policy: those who may write the certificate's.
type LastGood struct {
	// Client needs get, create, patch and update for the Secret, by its name.
	Client          dynamic.Interface
	Namespace, Name string
	Objects         *Objects
	// Gatekeeper are objects of Gatekeeper's of which the same is kept, as far as Policies leave room; nil is none.
	Gatekeeper *Gatekeeper
	Log        *slog.Logger

	// Owner returns with what the Secret vanishes when it is about to be made; nil is nothing. It may block until that is known, and an error
	// means that it must not be made yet. Nil: it is made without an owner.
	Owner func(context.Context) (*metav1.OwnerReference, error)

	wake chan struct{}
	told string // the error that was logged last
}

// NewLastGood returns a LastGood of what objects have found; Run runs it.
func NewLastGood(client dynamic.Interface, namespace, name string, objects *Objects, log *slog.Logger) *LastGood {
	return &LastGood{Client: client, Namespace: namespace, Name: name, Objects: objects, Log: log, wake: make(chan struct{}, 1)}
}

// Wake has the Secret looked at at once. It is to be called after Objects.Loaded; it never blocks.
func (l *LastGood) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run keeps the Secret until ctx ends, then returns nil.
func (l *LastGood) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-timer.C:
		}
		err := l.keep(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			l.told = ""
			timer.Reset(mendEvery)
		default:
			if err.Error() != l.told {
				l.told = err.Error()
				l.Log.Error("the last good versions of faulty policies are not kept for servers that start; trying again", "error", err)
			}
			timer.Reset(keepAgain)
		}
	}
}

// keep makes the Secret what it should be.
func (l *LastGood) keep(ctx context.Context) error {
	faulty, known := l.Objects.stalled()
	if !known {
		return nil
	}
	secrets := l.Client.Resource(secretResource()).Namespace(l.Namespace)
	live, err := secrets.Get(ctx, l.Name, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return fmt.Errorf("read %s: %w", l.at(), err)
	}
	if missing {
		live = &unstructured.Unstructured{Object: map[string]any{}}
	} else if live.GetLabels()[managedBy] != manager {
		return fmt.Errorf("%s was not made by Portcullis and is left alone; delete it, or run Portcullis under another name", l.at())
	}
	before, _, _ := unstructured.NestedStringMap(live.Object, "data") // the API server holds it to its type
	wanted, full, err := entries(before, faulty, l.Gatekeeper.stalled(before))
	if err != nil {
		return err
	}
	if !maps.Equal(before, wanted) {
		if missing {
			if err := l.create(ctx, secrets); err != nil {
				return fmt.Errorf("make %s: %w", l.at(), err)
			}
			return l.keep(ctx) // by what is there now
		}
		if err := unstructured.SetNestedStringMap(live.Object, wanted, "data"); err != nil {
			return err
		}
		if _, err := secrets.Update(ctx, live, metav1.UpdateOptions{FieldManager: manager}); err != nil {
			return fmt.Errorf("write %s: %w", l.at(), err)
		}
		l.Log.Info("the last good versions of faulty policies are kept for servers that start", "in", l.at(), "policies", slices.Sorted(maps.Keys(wanted)))
	}
	if len(full) > 0 {
		return fmt.Errorf("%s has no room for %s; mend the faulty policies", l.at(), strings.Join(full, ", "))
	}
	return nil
}

// create makes the Secret by server-side apply, which names it so that a role can confine it. It is empty: should another leader have made
// and filled it meanwhile, this changes nothing of what is in it.
func (l *LastGood) create(ctx context.Context, secrets dynamic.ResourceInterface) error {
	empty := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}}
	empty.SetName(l.Name)
	empty.SetNamespace(l.Namespace)
	empty.SetLabels(map[string]string{managedBy: manager})
	if l.Owner != nil {
		owner, err := l.Owner(ctx)
		if err != nil {
			return fmt.Errorf("it is not known with what it vanishes: %w", err)
		}
		if owner != nil {
			empty.SetOwnerReferences([]metav1.OwnerReference{*owner})
		}
	}
	_, err := secrets.Apply(ctx, l.Name, empty, metav1.ApplyOptions{FieldManager: manager})
	return err
}

func (l *LastGood) at() string { return "Secret " + l.Namespace + "/" + l.Name }

// entries is what the Secret should hold, given what it does. What is there of a Policy whose good version this server does not know is left
// as it is. Which of faulty come first have room first; full are
// those for which there is none.
func entries(before map[string]string, faulty ...map[string]stalled) (out map[string]string, full []string, err error) {
	all, names := map[string]stalled{}, []string{}
	for _, some := range faulty {
		names = append(names, slices.Sorted(maps.Keys(some))...)
		maps.Copy(all, some)
	}
	out = map[string]string{}
	room := maxEntries
	for _, name := range names {
		entry := before[name]
		if is := all[name]; is.good != nil {
			made, err := encodeEntry(is)
			if err != nil {
				return nil, nil, err
			}
			entry = base64.StdEncoding.EncodeToString(made)
		}
		switch {
		case entry == "":
		case len(entry) > room:
			full = append(full, name)
		default:
			room -= len(entry)
			out[name] = entry
		}
	}
	return out, full, nil
}

// entry is one version in the Secret, compressed.
type entry struct {
	Format int    `json:"format"`
	After  string `json:"after"`  // the Version of the faulty one in whose place it stands
	Digest string `json:"digest"` // of Text
	Text   string `json:"text"`
}

func encodeEntry(is stalled) ([]byte, error) {
	text, err := json.Marshal(entry{Format: entryFormat, After: is.version, Digest: digestOf(is.good.Text), Text: string(is.good.Text)})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, err = zip.Write(text)
	err = errors.Join(err, zip.Close())
	return out.Bytes(), err
}

func digestOf(text []byte) string { return fmt.Sprintf("%x", sha256.Sum256(text)) }

// decodeEntry reads what encodeEntry has written.
func decodeEntry(policy string, data []byte) (native.File, error) {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return native.File{}, fmt.Errorf("it cannot be unfolded: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(zip, maxEntry+1))
	if err != nil {
		return native.File{}, fmt.Errorf("it cannot be unfolded: %w", err)
	}
	if len(text) > maxEntry {
		return native.File{}, fmt.Errorf("it unfolds to more than %d MiB", maxEntry>>20)
	}
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		return native.File{}, fmt.Errorf("it cannot be understood: %w", err)
	}
	switch {
	case e.Format != entryFormat:
		return native.File{}, fmt.Errorf("it is of format %d, and this server reads format %d", e.Format, entryFormat)
	case e.Digest != digestOf([]byte(e.Text)):
		return native.File{}, errors.New("it does not have the digest it says")
	}
	return native.File{Name: PolicyFileName(policy), Text: []byte(e.Text), Format: native.YAMLText}, nil
}

func secretResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
}

// lastGood follows the Secret; nil if there is none to follow.
func (o *Objects) lastGood(changed chan<- struct{}) *kind {
	return lastGoodKind(o.Client, o.LastGood, o.Log, changed, func(key string) (string, bool) {
		return PolicyFileName(key), !strings.HasPrefix(key, theirKeys)
	})
}

// lastGoodKind follows the Secret at a place, for the keys that are those of files; nil without a place.
func lastGoodKind(
	client dynamic.Interface, at types.NamespacedName, log *slog.Logger, changed chan<- struct{}, fileOf func(key string) (string, bool),
) *kind {
	if at.Name == "" {
		return nil
	}
	told := map[string]bool{}
	return (&kind{
		client: client, resource: secretResource(), changed: changed, namespace: at.Namespace, field: "metadata.name=" + at.Name,
		files: func(u *unstructured.Unstructured) (out []native.File) {
			if u.GetName() != at.Name || u.GetLabels()[managedBy] != manager {
				return nil
			}
			data, _, _ := unstructured.NestedStringMap(u.Object, "data")
			for _, key := range slices.Sorted(maps.Keys(data)) {
				name, ours := fileOf(key)
				if !ours {
					continue
				}
				text, err := base64.StdEncoding.DecodeString(data[key])
				if err == nil {
					var file native.File
					if file, err = decodeEntry(key, text); err == nil {
						file.Name = name
						out = append(out, file)
						continue
					}
				}
				if !told[key+err.Error()] {
					told[key+err.Error()] = true
					log.Warn("what is kept of a faulty policy is of no use; delete it", "in", "Secret "+at.String(), "key", key, "error", err)
				}
			}
			return out
		},
	}).watched()
}

// lacked is since when all is listed but the Secret of a LastGood.
type lacked struct{ since time.Time }

// earlier returns the versions in the Secret. live says that a server has begun. Without it a server begins all the same: at once if it may not read the Secret, or else when
// that has failed for a while, since faulty policies are not the only ones.
func (l *lacked) earlier(ctx context.Context, k *kind, live bool, log *slog.Logger) ([]native.File, error) {
	if k == nil {
		return nil, nil
	}
	files, err := k.read(ctx)
	if files != nil || live {
		return files, nil // what was read before stays, and policies do not wait for what they may never need
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	if !apierrors.IsForbidden(err) && time.Since(l.since) < earlierTime {
		return nil, err
	}
	log.Warn("what is kept of faulty policies cannot be read; those that are faulty now are not enforced by this server", "error", err)
	return nil, nil
}

// earlierTime is how long to wait for the Secret when the policies are listed.
const earlierTime = 10 * time.Second
