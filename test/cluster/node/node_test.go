package node_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	image     = "webhook:test"
	namespace = "guard"
	patience  = 2 * time.Minute // what is waited for takes a second or two on an idle machine
)

func TestADeploymentRunsAndIsCalledByItsService(t *testing.T) {
	l := newLab(t)
	var text bytes.Buffer
	if err := manifest.Execute(&text, nil); err != nil {
		t.Fatal(err)
	}
	l.apply(text.String())

	// A Pod waits for its Secret.
	l.await("Pods without a Secret", func() (bool, string) {
		for _, p := range l.pods() {
			for _, c := range p.Status.ContainerStatuses {
				if w := c.State.Waiting; w != nil && w.Message == `volume tls: secrets "hook-tls" not found` {
					return true, ""
				}
			}
		}
		return false, fmt.Sprint(len(l.pods()))
	})
	cert, key := keyPair(t)
	_, err := l.client.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "hook-tls"}, Data: map[string][]byte{"tls.crt": cert, "tls.key": key},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}

	// A Pod is what RBAC lets its service account be: without a binding it may not read what makes it ready.
	l.await("a refusal by RBAC", func() (bool, string) {
		for _, p := range l.pods() {
			log := l.logOf(p.Name)
			if strings.Contains(log, `configmaps "greeting" is forbidden: User "system:serviceaccount:guard:hook" cannot get`) {
				return true, ""
			}
		}
		return false, ""
	})
	for _, p := range l.pods() {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				t.Errorf("%s is ready although it may read nothing", p.Name)
			}
		}
	}
	l.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: hook, namespace: guard}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: hook}
subjects: [{kind: ServiceAccount, name: hook, namespace: guard}]
`)
	l.awaitAvailable(3)
	first := l.pods()[0]
	instance, err := l.node.Instance(namespace, first.Name, "")
	if err != nil {
		t.Fatal(err)
	}
	if first.Status.PodIP != instance.IP || strings.HasPrefix(instance.IP, "127.") || instance.Ports[8443] == 8443 {
		t.Errorf("the Pod's address is %s, its instance %+v", first.Status.PodIP, instance)
	}
	log := l.logOf(first.Name)
	if !strings.Contains(log, first.Name+" starts, ENTRY="+namespace+":/") || !strings.Contains(log, "/volumes/tls/tls.crt:$(POD_NAME)\n") {
		t.Errorf("variables and paths are not as they should be:\n%s", log)
	}

	calls := &callers{count: map[string]int{}}
	load := l.register(cert, calls)
	l.await("the webhook", func() (bool, string) { return load() == nil && len(calls.count) > 0, fmt.Sprint(load()) })

	// Load spreads.
	for range 100 {
		if err := load(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range l.pods() {
		if n := calls.of(p.Name); n < 10 {
			t.Errorf("of more than 100 calls %s has answered %d", p.Name, n)
		}
	}

	// A rolling restart fails nobody, and who has gone is asked no more.
	before := l.pods()
	done := make(chan error, 1)
	rolling, stop := context.WithCancel(t.Context())
	go func() {
		for rolling.Err() == nil {
			if err := load(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	if _, _, err := l.cluster.Kubectl(t.Context(), "", nil, "rollout", "restart", "deployment/hook", "--namespace=guard"); err != nil {
		t.Fatal(err)
	}
	l.awaitAvailable(3)
	for _, old := range before {
		l.await(old.Name+" to go", func() (bool, string) {
			_, err := l.client.CoreV1().Pods(namespace).Get(t.Context(), old.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err), fmt.Sprint(err)
		})
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("a call failed while the Deployment rolled: %v", err)
	}
	gone := map[string]int{}
	for _, old := range before {
		gone[old.Name] = calls.of(old.Name)
		if log := l.logOf(old.Name); !strings.HasSuffix(log, "SIGTERM\n") {
			t.Errorf("%s was not asked to end:\n%s", old.Name, log)
		}
	}
	for range 50 {
		if err := load(); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range gone {
		if calls.of(name) != n {
			t.Errorf("%s has answered %d calls after it had gone", name, calls.of(name)-n)
		}
	}

	// A process that is killed is started again, and the Pod says so.
	victim := l.pods()[0].Name
	if err := l.node.Signal(namespace, victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.await("a restart", func() (bool, string) {
		p, err := l.client.CoreV1().Pods(namespace).Get(t.Context(), victim, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		s := p.Status.ContainerStatuses[0]
		return s.RestartCount == 1 && s.Ready && s.LastTerminationState.Terminated.ExitCode == 137, fmt.Sprintf("%+v", s)
	})

	if _, _, err := l.cluster.Kubectl(t.Context(), "", nil, "scale", "deployment/hook", "--replicas=0", "--namespace=guard"); err != nil {
		t.Fatal(err)
	}
	l.await("no slices", func() (bool, string) {
		list, err := l.client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0, fmt.Sprint(err, len(list.Items))
	})
	if err := load(); err == nil || !strings.Contains(err.Error(), `no endpoints available for service "hook"`) {
		t.Errorf("with nobody there the answer is %v", err)
	}
}

// register lets the API server ask the Service about ConfigMaps, and returns what makes it ask once.
func (l *lab) register(ca []byte, calls *callers) func() error {
	l.Helper()
	fail, none, path, seconds := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, "/validate", int32(5)
	_, err := l.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(l.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "hook"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "hook.portcullis.test", FailurePolicy: &fail, SideEffects: &none, TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				CABundle: ca, Service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: "hook", Path: &path},
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	config := rest.CopyConfig(l.config)
	config.WarningHandler = calls
	client := kubernetes.NewForConfigOrDie(config)
	return func() error {
		_, err := client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Create(l.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "asked-"},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
}

// single is one Pod.
const single = `
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default}
spec:
  restartPolicy: %s
  terminationGracePeriodSeconds: %d
  containers:
  - name: server
    image: webhook:test
    args: [webhook-server, --in-cluster, --name=%[1]s, %[4]s]
    ports: [{containerPort: 8443}]
%[5]s
`

func TestPodsThatGoWrong(t *testing.T) {
	l := newLab(t)
	status := func(name string) corev1.ContainerStatus {
		p, err := l.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || len(p.Status.ContainerStatuses) == 0 {
			return corev1.ContainerStatus{}
		}
		return p.Status.ContainerStatuses[0]
	}
	l.await("the service account", func() (bool, string) {
		_, err := l.client.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	l.apply(fmt.Sprintf(single, "crashing", "Always", 1, "--crash", ""))
	l.await("a crash loop", func() (bool, string) { s := status("crashing"); return s.RestartCount >= 2, fmt.Sprintf("%+v", s) })

	l.apply(fmt.Sprintf(single, "once", "Never", 1, "--crash", ""))
	l.await("a failed Pod", func() (bool, string) {
		p, err := l.client.CoreV1().Pods("default").Get(t.Context(), "once", metav1.GetOptions{})
		return err == nil && p.Status.Phase == corev1.PodFailed, fmt.Sprintf("%+v", status("once"))
	})
	if s := status("once"); s.State.Terminated == nil || s.State.Terminated.ExitCode != 1 || s.RestartCount != 0 {
		t.Errorf("the state is %+v", s)
	}

	// It can be asked for nothing: it never listens, so it is never alive.
	l.apply(fmt.Sprintf(single, "dead", "Always", 1, "--cert-dir=/nowhere, --crash=false", "    livenessProbe: {httpGet: {port: 8443}, periodSeconds: 1, failureThreshold: 2}\n    readinessProbe: {httpGet: {port: 8443}}"))
	l.await("a restart of what is not alive", func() (bool, string) { s := status("dead"); return s.RestartCount >= 1, fmt.Sprintf("%+v", s) })
	if s := status("dead"); s.Ready {
		t.Error("what does not listen is ready")
	}

	l.apply(fmt.Sprintf(single, "initial", "Always", 1, "--crash", "  initContainers: [{name: first, image: 'webhook:test'}]"))
	l.await("an explanation", func() (bool, string) {
		s := status("initial")
		return s.State.Waiting != nil && s.State.Waiting.Message == "this node runs no init containers", fmt.Sprintf("%+v", s)
	})

	// Images that are not this node's are left to others.
	l.apply(strings.ReplaceAll(fmt.Sprintf(single, "strange", "Always", 1, "", ""), image, "someone-elses"))
	l.apply(fmt.Sprintf(single, "last", "Never", 1, "--crash", ""))
	l.await("the next Pod", func() (bool, string) { return status("last").State.Terminated != nil, "" })
	if p, err := l.client.CoreV1().Pods("default").Get(t.Context(), "strange", metav1.GetOptions{}); err != nil || p.Spec.NodeName != "" {
		t.Errorf("a Pod with another image was bound to %q: %v", p.Spec.NodeName, err)
	}
}

func TestAProcessThatDoesNotEndIsKilled(t *testing.T) {
	l := newLab(t)
	l.await("the service account", func() (bool, string) {
		_, err := l.client.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	cert, key := keyPair(t)
	_, err := l.client.CoreV1().Secrets("default").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "tls"}, Data: map[string][]byte{"tls.crt": cert, "tls.key": key},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.apply(fmt.Sprintf(single, "deaf", "Always", 1, "--deaf, --cert-dir=/etc/tls", "    volumeMounts: [{name: tls, mountPath: /etc/tls}]\n  volumes: [{name: tls, secret: {secretName: tls}}]"))
	l.await("it to run", func() (bool, string) {
		p, err := l.client.CoreV1().Pods("default").Get(t.Context(), "deaf", metav1.GetOptions{})
		log, _ := l.node.Log("default", "deaf")
		return err == nil && p.Status.Phase == corev1.PodRunning && strings.Contains(log, "starts"), fmt.Sprint(err)
	})
	if _, _, err := l.cluster.Kubectl(t.Context(), "", nil, "delete", "pod", "deaf", "--wait=true", "--timeout=30s"); err != nil {
		t.Error(err)
	}
	if err := l.node.Signal("default", "deaf", syscall.Signal(0)); err == nil {
		t.Error("the process is still there after its Pod has gone")
	}
}
