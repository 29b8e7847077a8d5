package node_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/cluster/node"
)

// lab is a control plane with a node on it.
type lab struct {
	*testing.T
	cluster *cluster.Cluster
	config  *rest.Config
	client  *kubernetes.Clientset
	node    *node.Node
}

func newLab(t *testing.T) *lab {
	t.Helper()
	c := cluster.StartT(t, cluster.Options{ExtraArgs: []string{node.AggregatorRouting}})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, cluster: c, config: config, client: kubernetes.NewForConfigOrDie(config)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l.node = node.StartT(t, node.Options{Config: config, Programs: map[string]node.Program{image: {
		Path:      self,
		Arguments: func(i node.Instance) []string { return []string{"--listen=" + i.Address(8443)} },
	}}})
	return l
}

// manifest is the release of the tests: a webhook server as a chart would install it.
var manifest = template.Must(template.New("").Parse(`
apiVersion: v1
kind: Namespace
metadata: {name: guard}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: hook, namespace: guard}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: guard}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: hook, namespace: guard}
rules: [{apiGroups: [""], resources: [configmaps], resourceNames: [greeting], verbs: [get]}]
---
apiVersion: v1
kind: Service
metadata: {name: hook, namespace: guard}
spec:
  selector: {app: hook}
  ports: [{name: https, port: 443, targetPort: https}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hook, namespace: guard}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: hook}}
  template:
    metadata: {labels: {app: hook}}
    spec:
      serviceAccountName: hook
      volumes: [{name: tls, secret: {secretName: hook-tls}}]
      containers:
      - name: server
        image: webhook:test
        command: [/webhook]
        args: [webhook-server, --in-cluster, --name=$(POD_NAME), --cert-dir=/etc/tls]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: ENTRY, value: "$(POD_NAMESPACE):/etc/tls/tls.crt:$$(POD_NAME)"}
        ports: [{name: https, containerPort: 8443}]
        readinessProbe: {httpGet: {path: /readyz, port: https, scheme: HTTPS}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 1}}}
        volumeMounts: [{name: tls, mountPath: /etc/tls}]
`))

// apply gives kubectl a text, as a user would.
func (l *lab) apply(text string) {
	l.Helper()
	if _, _, err := l.cluster.Kubectl(l.Context(), "", strings.NewReader(text), "apply", "-f", "-"); err != nil {
		l.Fatal(err)
	}
}

// await calls check until it is satisfied.
func (l *lab) await(what string, check func() (bool, string)) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, last := check()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			l.Fatalf("%s: not in time; at last: %s", what, last)
		case <-tick.C:
		}
	}
}

// pods are those of the release that are not about to go.
func (l *lab) pods() []corev1.Pod {
	l.Helper()
	list, err := l.client.CoreV1().Pods(namespace).List(l.Context(), metav1.ListOptions{LabelSelector: "app=hook"})
	if err != nil {
		l.Fatal(err)
	}
	var there []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			there = append(there, p)
		}
	}
	return there
}

// logOf is what a Pod has written; nothing when there is none.
func (l *lab) logOf(name string) string {
	text, _ := l.node.Log(namespace, name)
	return text
}

func (l *lab) awaitAvailable(replicas int32) {
	l.Helper()
	l.await(fmt.Sprintf("%d replicas", replicas), func() (bool, string) {
		d, err := l.client.AppsV1().Deployments(namespace).Get(l.Context(), "hook", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		s := d.Status
		return s.ObservedGeneration == d.Generation && s.AvailableReplicas == replicas && s.UpdatedReplicas == replicas && s.Replicas == replicas,
			fmt.Sprintf("%+v", s)
	})
}

// keyPair is a certificate for the Service that is its own authority.
func keyPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hook"}, DNSNames: []string{"hook.guard.svc"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// callers count who has answered.
type callers struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *callers) HandleWarningHeader(_ int, _, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[name]++
}

func (c *callers) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[name]
}
