package replicas

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// memberEnv makes the test binary a replica in a process of its own, for the tests that kill and stop it.
const memberEnv = "PORTCULLIS_TEST_MEMBER"

func TestMain(m *testing.M) {
	if kubeconfig := os.Getenv(memberEnv); kubeconfig != "" {
		if err := member(kubeconfig); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// member leads as soon as it can, says so, and writes the ConfigMap "written" whenever its parent says so, as a stale leader would: based
// on what it read when its lead began.
func member(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	o := scaled(client, os.Getenv("POD_NAME"))
	r, err := New(o, nil)
	if err != nil {
		return err
	}
	r.Serve(State{Revision: "r1"})
	go r.Run(context.Background()) // until the process is killed
	orders := bufio.NewScanner(os.Stdin)
	return Lead(context.Background(), o, func(ctx context.Context) {
		written, err := client.CoreV1().ConfigMaps("default").Get(ctx, "written", metav1.GetOptions{})
		fmt.Println("leads", err)
		if orders.Scan() { // blocks, while the lead is lost
			written.Data = map[string]string{"by": o.Replica}
			_, err = client.CoreV1().ConfigMaps("default").Update(context.WithoutCancel(ctx), written, metav1.UpdateOptions{})
			<-ctx.Done()
			fmt.Println("lost", apierrors.IsConflict(err))
		}
	})
}

// scaled has Leases that last three seconds, so that the test need not wait for long.
func scaled(client kubernetes.Interface, name string) Options {
	return Options{
		Client: client, Namespace: "default", Name: "portcullis", Replica: name,
		times: times{lease: 3 * time.Second, renew: 500 * time.Millisecond, deadline: 2 * time.Second, retry: 300 * time.Millisecond, sweep: 2 * time.Second},
	}
}

// process starts a member and returns the lines it prints.
func process(t *testing.T, c *cluster.Cluster, name string) (*exec.Cmd, func() string, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memberEnv+"="+c.Kubeconfig, "POD_NAME="+name)
	cmd.Stderr = nil
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	return cmd, func() string {
			if !lines.Scan() {
				t.Fatalf("member %s ended: %v", name, lines.Err())
			}
			return lines.Text()
		}, func() {
			if _, err := fmt.Fprintln(stdin, "write"); err != nil {
				t.Fatal(err)
			}
		}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestProcesses(t *testing.T) {
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	written, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "written"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := New(scaled(client, "watcher"), nil)
	if err != nil {
		t.Fatal(err)
	}
	watcher.Serve(State{Revision: "r1"})
	watching, stopWatching := context.WithCancel(t.Context())
	watched := make(chan error)
	go func() { watched <- watcher.Run(watching) }()
	defer func() {
		stopWatching()
		if err := <-watched; err != nil {
			t.Error(err)
		}
		if _, err := client.CoordinationV1().Leases("default").Get(context.Background(), "portcullis-replica-watcher", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("the Lease of who left is still there: %v", err)
		}
	}()
	members := func(n int) func() bool {
		return func() bool {
			members, err := watcher.Members()
			return err == nil && len(members) == n
		}
	}

	one, linesOfOne, _ := process(t, c, "one")
	if line := linesOfOne(); line != "leads <nil>" {
		t.Fatal(line)
	}
	second, linesOfTwo, tellTwo := process(t, c, "two")
	eventually(t, "three members", members(3))
	eventually(t, "three members that agree", func() bool { return agree(watcher, "r1") })

	if err := one.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if line := linesOfTwo(); line != "leads <nil>" { // takes over
		t.Fatal(line)
	}
	eventually(t, "who was killed does not count", members(2))
	swept, stopSweeping := context.WithCancel(t.Context())
	defer stopSweeping()
	go watcher.Sweep(swept)
	eventually(t, "the Lease of who was killed is deleted", func() bool {
		_, err := client.CoordinationV1().Leases("default").Get(t.Context(), "portcullis-replica-one", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})

	// The leader stands still for longer than its Lease lasts; somebody else leads and writes meanwhile.
	two := leaderOf(t, client)
	if !strings.HasPrefix(two, "two_") {
		t.Fatalf("%s leads", two)
	}
	cmd2 := second.Process
	if err := cmd2.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	leading, cancel := context.WithCancel(t.Context())
	three := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		three <- Lead(leading, scaled(client, "three"), func(ctx context.Context) {
			close(began)
			<-ctx.Done()
		})
	}()
	<-began
	written.Data = map[string]string{"by": "three"}
	if _, err := client.CoreV1().ConfigMaps("default").Update(t.Context(), written, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	tellTwo()
	if err := cmd2.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if line := linesOfTwo(); line != "lost true" {
		t.Errorf("who led before: %s", line)
	}
	cancel()
	if err := <-three; err != nil {
		t.Error(err)
	}
	if line := linesOfTwo(); line != "leads <nil>" { // it takes part again
		t.Error(line)
	}
}

func leaderOf(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	lease, err := client.CoordinationV1().Leases("default").Get(t.Context(), "portcullis-leader", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *lease.Spec.HolderIdentity
}

// When it is told to end, the writers end first and the Lease is given back then: whoever is next begins at once, and never too early.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var leaders atomic.Int32
		run := func(took time.Duration) func(context.Context) {
			return func(ctx context.Context) {
				if leaders.Add(1) != 1 {
					t.Error("two lead at once")
				}
				<-ctx.Done()
				time.Sleep(took) // a write that is under way
				leaders.Add(-1)
			}
		}
		options := func(name string) Options {
			return Options{Client: client, Namespace: "ours", Name: "portcullis", Replica: name}
		}
		first, stopFirst := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Lead(first, options("a"), run(20*time.Second)) }()
		time.Sleep(time.Second)
		second, stopSecond := context.WithCancel(t.Context())
		endedToo := make(chan error, 1)
		go func() { endedToo <- Lead(second, options("b"), run(0)) }()
		time.Sleep(time.Minute)
		stopFirst()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if leaders.Load() != 0 {
			t.Error("the lead was given back before the writers ended")
		}
		time.Sleep(2 * retryEvery * 3)
		if leaders.Load() != 1 {
			t.Error("nobody took over what was given back")
		}
		stopSecond()
		if err := <-endedToo; err != nil {
			t.Error(err)
		}
	})
}

// broken is a connection which fails while it is switched on.
type broken struct {
	next http.RoundTripper
	on   *atomic.Bool
}

func (b broken) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.on.Load() {
		<-r.Context().Done() // the API server does not answer
		return nil, errors.New("no answer")
	}
	return b.next.RoundTrip(r)
}

// A leader whose API server does not answer gives up before its Lease is over, and leads again when it does.
func TestUnanswered(t *testing.T) {
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	var off atomic.Bool
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return broken{next, &off} })
	ctx, cancel := context.WithCancel(t.Context())
	lead := make(chan bool)
	ended := make(chan error, 1)
	go func() {
		ended <- Lead(ctx, scaled(kubernetes.NewForConfigOrDie(config), "a"), func(ctx context.Context) {
			lead <- true
			<-ctx.Done()
			lead <- false
		})
	}()
	<-lead
	off.Store(true)
	<-lead
	if holder := leaderOf(t, client); !strings.HasPrefix(holder, "a_") {
		t.Errorf("the Lease is %q's, which nobody took", holder)
	}
	off.Store(false)
	<-lead
	cancel()
	<-lead
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if holder := leaderOf(t, client); holder != "" {
		t.Errorf("the Lease was not given back: it is %q's", holder)
	}
}
