package cmd

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

func TestOwner(t *testing.T) {
	gone := schema.GroupResource{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}
	for _, row := range []struct {
		what, owner string
		answers     []error // one after the other; nil is the role
		took        time.Duration
		owned       bool
		log         string
	}{
		{"it is there", "ours", []error{nil}, 0, true, ""},
		{"the cluster does not answer at first", "ours", []error{errors.New("timed out"), errors.New("timed out"), nil}, 2 * time.Second, true, "timed out"},
		{"it comes after the server", "ours", []error{apierrors.NewNotFound(gone, "ours"), nil}, time.Second, true, "not found"},
		{"the right comes after the server", "ours", []error{apierrors.NewForbidden(gone, "ours", nil), nil}, time.Second, true, "what is not there yet waits for that"},
		{"it may not be read", "ours", []error{apierrors.NewForbidden(gone, "ours", nil)}, rightsTime, false, "delete the webhook configurations before you uninstall"},
		{"it never comes", "ours", []error{apierrors.NewNotFound(gone, "ours")}, ownerTime, false, "restore the ClusterRole"},
		{"the cluster never says", "ours", []error{errors.New("timed out")}, ownerTime, false, "restore the ClusterRole"},
		{"without a release it may not be read", "", []error{apierrors.NewForbidden(gone, "portcullis", nil)}, 0, false, "delete the webhook configurations before you uninstall"},
		{"there is no release", "", []error{apierrors.NewNotFound(gone, "portcullis")}, 0, false, "is not tied to a release"},
		{"without a release the cluster does not answer at first", "", []error{errors.New("timed out"), nil}, time.Second, true, "timed out"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			client := fake.NewClientset()
			asked := 0
			client.PrependReactor("get", "clusterroles", func(clienttesting.Action) (bool, runtime.Object, error) {
				err := row.answers[min(asked, len(row.answers)-1)]
				asked++
				return true, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "ours", UID: "u"}}, err
			})
			c := &member{flags: &memberFlags{name: "portcullis", owner: row.owner}, client: client, log: slog.New(slog.NewTextHandler(&log, nil))}
			begun := time.Now()
			owner, err := c.awaitOwner(t.Context())
			if err != nil {
				t.Error(err)
			}
			_, err = c.ownerOfRegistration(t.Context())
			if ownerless := errors.Is(err, registration.ErrOwnerless); ownerless != (!row.owned && row.owner != "") || err != nil && !ownerless {
				t.Errorf("%s: for the registration it is %v", row.what, err)
			}
			if took := time.Since(begun); took != row.took || (owner != nil) != row.owned || owner != nil && owner.UID != "u" {
				t.Errorf("%s: %+v after %v", row.what, owner, took)
			}
			if !strings.Contains(log.String(), row.log) || row.log == "" && log.Len() > 0 {
				t.Errorf("%s: it is logged %q", row.what, log.String())
			}
		})
	}
}

// While the owner is unknown an Event and a metric say so; not for ever when nobody asks any more.
func TestOwnerUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		c := &member{
			flags: &memberFlags{name: "portcullis", owner: "ours"}, client: client, log: slog.New(slog.DiscardHandler), store: &inventory.Store{},
		}
		const want = "it is not known with what vanishes what this server makes in the cluster; what is there is kept, and what is missing waits 1m0s " +
			`and is then made to stay until somebody deletes it; restore the ClusterRole: the ClusterRole ours: clusterroles.rbac.authorization.k8s.io "ours" not found`
		told := func(want string, metric float64) {
			t.Helper()
			text := ""
			for _, trouble := range c.troubles() {
				text += trouble.text
			}
			if text != want || testutil.ToFloat64(c.unowned.metric()) != metric {
				t.Errorf("told is %q", text)
			}
		}
		told("", 0)
		if owner, err := c.owner(t.Context()); owner != nil || err == nil {
			t.Errorf("at once it is said that there is none: %v", err)
		}
		told(want, 1)
		if owner, err := c.awaitOwner(t.Context()); owner != nil || err != nil {
			t.Errorf("%+v, %v", owner, err)
		}
		told(want, 1)
		begun := time.Now()
		if _, err := c.awaitOwner(t.Context()); err != nil || time.Since(begun) != 0 {
			t.Errorf("what is made next waits, too: %v", err)
		}
		time.Sleep(3 * ownerTime)
		told("", 0)
		if _, err := c.owner(t.Context()); err == nil {
			t.Error("an outage of long ago counts")
		}
		if _, err := client.RbacV1().ClusterRoles().Create(t.Context(),
			&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "ours", UID: "u"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if owner, err := c.owner(t.Context()); err != nil || owner == nil {
			t.Errorf("%+v, %v", owner, err)
		}
		told("", 0)
	})
}
