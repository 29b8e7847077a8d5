package certs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// watchFor is how long one watch lasts; then the Secret is read again, for changes a broken connection has swallowed.
	watchFor = 5 * time.Minute
	// firstRetry and lastRetry bound the pause after a failure, which doubles: short enough that a renewal is never missed, and
	// long enough not to press an API server that is coming back.
	firstRetry, lastRetry = time.Second, 30 * time.Second
)

// SecretOptions say which Secret to follow.
type SecretOptions struct {
	// Client reads and watches. It has to be allowed to list and watch this one Secret, by name; nothing else is asked for.
	Client client.WithWatch
	// Namespace and Name say where tls.crt and tls.key are, and where callers need to be told whom to trust, ca.crt.
	Namespace, Name string
	// Gone is called when the Secret is deleted, and must not block. Nil is nobody.
	Gone func()
	// Log hears of every new pair and of every one that cannot be used. Nil discards.
	Log *slog.Logger
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Secret is a Source whose pair is in a Secret of the type kubernetes.io/tls: a Rotation writes it there, or cert-manager, or a person.
// It follows the Secret by a watch. A pair that cannot be used is reported and the one before it served on, also when the Secret is
// deleted or the API server away.
type Secret struct {
	lastGood
	client          client.WithWatch
	namespace, name string
	gone            func()

	mu       sync.Mutex // held while a pair is taken
	restored bool       // the current one, and not read
}

var _ Source = (*Secret)(nil)

// NewSecret returns a Secret that has read nothing yet: it is ready some time after Start, when the Secret exists and is in order.
func NewSecret(opts SecretOptions) *Secret {
	s := &Secret{
		lastGood: lastGood{what: secretName(opts.Namespace, opts.Name), log: orDiscard(opts.Log), now: opts.Now},
		client:   opts.Client, namespace: opts.Namespace, name: opts.Name, gone: opts.Gone,
	}
	s.path = func(key string) string { return key + " of " + s.what }
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

func secretName(namespace, name string) string { return "Secret " + namespace + "/" + name }

// Start follows the Secret until ctx ends. What fails is tried again, within 30 seconds.
func (s *Secret) Start(ctx context.Context) error {
	for pause := firstRetry; ; {
		began := time.Now()
		err := s.follow(ctx)
		if err != nil && ctx.Err() == nil {
			s.learn(contents{}, fmt.Errorf("reading %s: %w", s.what, err))
		}
		if time.Since(began) > lastRetry {
			pause = firstRetry
		}
		if !wait(ctx, pause) {
			return nil
		}
		pause = min(2*pause, lastRetry)
	}
}

// follow reads the Secret and then hears of its changes, until the watch ends.
func (s *Secret) follow(ctx context.Context) error {
	var list corev1.SecretList
	only := fields.OneTermEqualSelector("metadata.name", s.name)
	if err := s.client.List(ctx, &list, &client.ListOptions{Namespace: s.namespace, FieldSelector: only}); err != nil {
		return err
	}
	var last *corev1.Secret
	if len(list.Items) > 0 {
		last = &list.Items[0]
	}
	s.look(last)
	seconds := int64(watchFor.Seconds())
	changes, err := s.client.Watch(ctx, &corev1.SecretList{}, &client.ListOptions{
		Namespace: s.namespace, FieldSelector: only,
		Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion, TimeoutSeconds: &seconds},
	})
	if err != nil {
		return err
	}
	defer changes.Stop()
	poll := time.NewTicker(pollEvery) // a certificate that is valid only from tomorrow on is one tomorrow
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		case event, open := <-changes.ResultChan():
			if !open {
				return nil
			}
			secret, ok := event.Object.(*corev1.Secret)
			switch {
			case event.Type == apiwatch.Error, !ok:
				return nil // expired, mostly; reading again tells what is the matter
			case event.Type == apiwatch.Deleted:
				secret = nil
				if s.gone != nil {
					s.gone()
				}
			}
			last = secret
		}
		s.look(last)
	}
}

// look publishes the pair in secret, nil when there is none, if it is new and in order.
func (s *Secret) look(secret *corev1.Secret) {
	if secret == nil {
		s.learn(contents{}, absent(s.what))
		return
	}
	s.learn(s.read(secret))
}

func (s *Secret) read(secret *corev1.Secret) (contents, error) {
	found := contents{cert: secret.Data[certificateFile], key: secret.Data[keyFile]}
	for name, data := range map[string][]byte{certificateFile: found.cert, keyFile: found.key} {
		if len(data) == 0 {
			return contents{}, fmt.Errorf("%s is missing", s.path(name))
		}
	}
	if ca := secret.Data[authorityFile]; len(ca) > 0 { // cert-manager writes an empty ca.crt when the issuer did not say
		found.ca = ca
	}
	return found, nil
}

// wait returns after d, or false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
