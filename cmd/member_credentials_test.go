package cmd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/review"
)

func memberOf(client *fake.Clientset, log *slog.Logger) *member {
	return &member{flags: &memberFlags{name: "gate", namespace: "guard", owner: "gate"}, client: client, log: log}
}

// nameOf is what a credential is called.
func nameOf(t *testing.T, c *decisions.Credentials) string {
	t.Helper()
	req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"0123456789abcdef"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return c.Of(req)
}

// Replicas that start at once, and those that come later, share one key, which goes with the release.
func TestReplicasShareTheKeyOfCredentials(t *testing.T) {
	client := fake.NewClientset(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "gate", UID: "u-1"}})
	var a, b, c decisions.Credentials
	named := func(credentials *decisions.Credentials) {
		t.Helper()
		if err := memberOf(client, slog.New(slog.DiscardHandler)).nameCredentials(t.Context(), credentials); err != nil {
			t.Fatal(err)
		}
	}
	named(&a)
	// The second has looked when there was none yet, and makes one too late.
	first := true
	client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		early := first
		first = false
		return early, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "gate-credentials")
	})
	named(&b)
	named(&c)
	if name := nameOf(t, &a); name == "" || name != nameOf(t, &b) || name != nameOf(t, &c) {
		t.Errorf("they are called %q, %q and %q", nameOf(t, &a), nameOf(t, &b), nameOf(t, &c))
	}
	secret, err := client.CoreV1().Secrets("guard").Get(t.Context(), "gate-credentials", metav1.GetOptions{})
	if err != nil || len(secret.Data["key"]) != 32 || len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].UID != "u-1" {
		t.Errorf("the Secret is %+v, %v", secret, err)
	}
}

func TestAKeyThatCannotBeHadIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "gate", UID: "u-1"}})
		failures := 3
		client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			failures--
			return failures >= 0, nil, errors.New("out of order")
		})
		var log bytes.Buffer
		var credentials decisions.Credentials
		begun := time.Now()
		if err := memberOf(client, slog.New(slog.NewTextHandler(&log, nil))).nameCredentials(t.Context(), &credentials); err != nil || nameOf(t, &credentials) == "" {
			t.Error(err)
		}
		if took := time.Since(begun); took != 30*time.Second || strings.Count(log.String(), "credentials have no names in decisions and in the audit log") != 1 {
			t.Errorf("it took %s, and the log says %s", took, log.String())
		}
		failures = 1000
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := memberOf(client, slog.New(slog.DiscardHandler)).nameCredentials(ctx, &credentials); err != nil {
			t.Error(err)
		}
	})
}

func TestAKeyOfAFileIsMadeOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	key, err := keyFile(name)
	if err != nil || len(key) != 32 {
		t.Fatal(key, err)
	}
	if again, err := keyFile(name); err != nil || !bytes.Equal(again, key) {
		t.Error("another time it is another", err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if _, err := keyFile(filepath.Join(name, "below")); err == nil {
		t.Error("there can be no file below a file")
	}
}
