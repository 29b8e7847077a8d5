package certs

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

func clientFor(t *testing.T, config *rest.Config, err error) client.WithWatch {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSecretsOfARealAPIServer has two leaders at once, and replicas that may do no more than the chart lets them, at a real API server.
func TestSecretsOfARealAPIServer(t *testing.T) {
	plane := cluster.StartT(t, cluster.Options{NoControllerManager: true, Users: map[string][]string{"server": nil}})
	config, err := plane.RESTConfig()
	admin := clientFor(t, config, err)
	config, err = plane.UserRESTConfig("server")
	server := clientFor(t, config, err)
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "server"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{tlsSecret}, Verbs: []string{"get", "create", "patch", "update", "list", "watch"}},
			{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{caSecret}, Verbs: []string{"get", "create", "patch", "update"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "server"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "server"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "server"}},
		},
	} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	var log logged
	var replicas []*Secret
	for range 3 {
		replica := NewSecret(SecretOptions{Client: server, Namespace: namespace, Name: tlsSecret, Log: log.logger()})
		replicas = append(replicas, replica)
		running.Go(func() { _ = replica.Start(ctx) })
	}
	for _, replica := range replicas {
		eventually(t, "the replica says what is missing", func() bool {
			err := replica.Err()
			return err != nil && strings.HasSuffix(err.Error(), "Secret portcullis/portcullis-tls does not exist")
		})
		if replica.Ready() {
			t.Error("a replica without a certificate is ready")
		}
	}

	for range 2 {
		rotation, err := NewRotation(RotationOptions{
			Client: server, Namespace: namespace, Name: "portcullis", DNSNames: []string{dnsName}, Log: log.logger(),
			Published: func(context.Context) ([]byte, error) { return replicas[0].CABundle(), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = rotation.Start(ctx) })
	}
	follow := func(what string, ok func(*Secret) bool) {
		t.Helper()
		for _, replica := range replicas {
			eventually(t, what, func() bool { return ok(replica) })
			trusted(t, replica.CABundle(), leafOf(t, replica), dnsName, time.Now())
		}
	}
	follow("a replica is ready", (*Secret).Ready)
	if n := strings.Count(log.String(), "a new authority was made"); n != 1 {
		t.Errorf("%d authorities were made", n)
	}

	first := leafOf(t, replicas[0])
	remove := func(name string) {
		t.Helper()
		if err := admin.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	remove(tlsSecret) // a leader that rests looks every half minute
	eventually(t, "the replica heard", func() bool { return replicas[0].Err() != nil })
	if !leafOf(t, replicas[0]).Equal(first) {
		t.Error("the last good is not served on")
	}
	patience(t, "the pair was made again", func() bool { return !leafOf(t, replicas[0]).Equal(first) && replicas[0].Err() == nil })

	var secret corev1.Secret
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: tlsSecret}, &secret); err != nil {
		t.Fatal(err)
	}
	good := bytes.Clone(secret.Data[keyFile])
	secret.Data[keyFile] = issued(t, time.Now()).key
	if err := admin.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	const mismatch = "tls.key of Secret portcullis/portcullis-tls is not the private key of tls.crt of Secret portcullis/portcullis-tls"
	eventually(t, "it was noticed", func() bool { return replicas[0].Err() != nil })
	if err := replicas[0].Err(); err.Error() != mismatch || !replicas[0].Ready() {
		t.Error(err)
	}
	secret.Data[keyFile] = good
	if err := admin.Update(t.Context(), &secret); err == nil {
		eventually(t, "it was noticed", func() bool { return replicas[0].Err() == nil })
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the log quotes a key")
	}
}

// patience waits for what is looked at every half minute.
func patience(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}
