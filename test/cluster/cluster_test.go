//go:build unix

package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

func TestStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	var progress bytes.Buffer
	c := cluster.StartT(t, cluster.Options{Dir: dir, Users: map[string][]string{"alice": {"dev", "ops"}}, Progress: &progress})
	out, _, err := c.Kubectl(t.Context(), "", nil, "get", "namespaces", "-o", "name")
	if err != nil || !strings.Contains(out, "namespace/kube-system\n") {
		t.Errorf("kubectl get namespaces: %v\n%s", err, out)
	}
	object := strings.NewReader("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-stdin}\n")
	if out, _, err := c.Kubectl(t.Context(), "", object, "create", "-f", "-"); err != nil || out != "configmap/from-stdin created\n" {
		t.Errorf("kubectl create -f -: %v\n%s", err, out)
	}
	out, _, err = c.Kubectl(t.Context(), "alice", nil, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
	if err != nil || out != `alice ["dev","ops","system:authenticated"]` {
		t.Errorf("kubectl auth whoami: %v\n%s", err, out)
	}
	_, stderr, err := c.Kubectl(t.Context(), "alice", nil, "get", "secrets")
	if err == nil || !strings.Contains(stderr, "forbidden") || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("alice may read secrets: %v\n%s", err, stderr)
	}

	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != c.Server {
		t.Errorf("the client talks to %s, the server is %s", config.Host, c.Server)
	}
	version, err := kubernetes.NewForConfigOrDie(config).Discovery().ServerVersion()
	if err != nil || version.Minor != "37" {
		t.Errorf("the server's version is %v, %v", version, err)
	}
	config, err = c.UserRESTConfig("alice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("alice may list secrets: %v", err)
	}

	pids := processes(t, dir)
	if len(pids) != 3 {
		t.Errorf("the processes are %v, want three", pids)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	for name, pid := range pids {
		// They are children of the control plane, which waited for them, so nothing is left to see of them.
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s, process %d, is still there after the stop: %v", name, pid, err)
		}
	}
	if err := c.Stop(); err != nil {
		t.Errorf("the second stop: %v", err)
	}
	// Only now is the last line surely there.
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if !strings.Contains(progress.String(), component+" is ready (") {
			t.Errorf("the progress does not tell of %s:\n%s", component, progress.String())
		}
	}
	if _, err := os.Stat(filepath.Join(c.Logs(), "kube-apiserver.log")); err != nil {
		t.Error(err)
	}
}

func TestAFailedStartNamesTheCause(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	_, err := cluster.Start(t.Context(), cluster.Options{Dir: t.TempDir(), ExtraArgs: []string{"--no-such-flag"}})
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"start the control plane", "kube-apiserver", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestStopTellsOfAnEarlierEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	dir := t.TempDir()
	c, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, NoControllerManager: true})
	if err != nil {
		t.Fatal(err)
	}
	pids := processes(t, dir)
	if err := syscall.Kill(pids["kube-apiserver"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Stop(); err == nil || !strings.Contains(err.Error(), "kube-apiserver ended unexpectedly") {
		t.Errorf("the stop says: %v", err)
	}
}

// processes returns the process numbers of a control plane by component.
func processes(t *testing.T, dir string) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		text, err := os.ReadFile(filepath.Join(dir, "run", component+".pid"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if pids[component], err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", component, err))
		}
	}
	return pids
}
