package cmd

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	metav1apply "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// credentialKey is the member of the Secret NAME-credentials that holds the key by which all replicas name credentials.
const credentialKey = "key"

// nameCredentials has credentials named by the key in the cluster, which it makes if there is none. What cannot be had is tried again; until then
// no credential has a name. A key that is replaced is used by servers that start.
func (c *member) nameCredentials(ctx context.Context, credentials *decisions.Credentials) error {
	told := false
	for {
		key, err := c.sharedKey(ctx)
		if err == nil {
			err = credentials.Use(key)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end is no fault
		}
		if !told {
			told = true
			c.log.Warn("credentials have no names in decisions and in the audit log", "secret", c.flags.namespace+"/"+c.credentialSecret(), "error", err)
		}
		timer := time.NewTimer(10 * time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

func (c *member) credentialSecret() string { return c.flags.name + "-credentials" }

// sharedKey reads the key, and makes it where there is none.
func (c *member) sharedKey(ctx context.Context) ([]byte, error) {
	secrets, name := c.client.CoreV1().Secrets(c.flags.namespace), c.credentialSecret()
	secret, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		if len(secret.Data[credentialKey]) == 0 {
			return nil, fmt.Errorf("the Secret has no %s; delete it, and it is made anew", credentialKey)
		}
		return secret.Data[credentialKey], nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, err
	}
	owner, err := c.awaitOwner(ctx)
	if err != nil {
		return nil, err
	}
	key := decisions.NewCredentialKey()
	wanted := corev1apply.Secret(name, c.flags.namespace).WithData(map[string][]byte{credentialKey: key})
	if owner != nil {
		wanted.WithOwnerReferences(metav1apply.OwnerReference().WithAPIVersion(owner.APIVersion).WithKind(owner.Kind).WithName(owner.Name).WithUID(owner.UID))
	}
	// By server-side apply, since that names what it creates, and roles can allow it by name. The manager is nobody else's: who comes second
	// conflicts, and reads the key of the first the next time.
	_, err = secrets.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "portcullis-" + rand.Text()})
	if apierrors.IsConflict(err) {
		return c.sharedKey(ctx)
	}
	return key, err
}
