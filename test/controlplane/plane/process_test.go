package plane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes this test binary a component too, as the real binary is: a crew starts the binary it is in.
func TestMain(m *testing.M) {
	if _, child := os.LookupEnv(LifelineEnv); child {
		beComponent(os.Args[1])
	}
	os.Exit(m.Run())
}

// beComponent says that it is there, and ends when it is told to, with its parent, at once or only when it is killed.
func beComponent(name string) {
	if err := Follow(func() { os.Exit(0) }); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	switch kind, _, _ := strings.Cut(name, "-"); kind {
	case "failing":
		fmt.Println("no room left")
		os.Exit(3)
	case "stuck":
		waiting()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	fmt.Println("here")
	select {}
}

// waiting is where a component hangs that says nothing.
func waiting() { select {} }

// here is the readiness of a component of these tests.
func here(p *process) func(context.Context) error {
	return func(context.Context) error {
		if !strings.Contains(logTail(p.log), "here") {
			return errors.New("it has not said so")
		}
		return nil
	}
}

// newTestCrew returns a crew without anybody in it. The test must not leave its thread, whose end would be the end of the crew.
func newTestCrew(t *testing.T) *crew {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	l := layout(t.TempDir())
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	locks, err := l.lock(t.Context(), &progress{out: t.Output(), start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(locks.release)
	c, err := newCrew(l, locks)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantNothingLeft waits until there are as many goroutines as before, and wants no process and no file of one.
func wantNothingLeft(t *testing.T, c *crew, goroutines int) {
	t.Helper()
	for _, p := range c.processes {
		select {
		case <-p.exited:
		default:
			t.Errorf("%s still runs", p.name)
		}
		if _, err := os.Stat(p.pid); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, want no such file", p.pid, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := poll(ctx, 5*time.Millisecond, func() (bool, error) { return runtime.NumGoroutine() <= goroutines, nil }); err != nil {
		stacks := make([]byte, 1<<16)
		t.Errorf("there were %d goroutines and are %d:\n%s", goroutines, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
	}
}

func TestAStoppedCrewLeavesNothingBehind(t *testing.T) {
	for name, grace := range map[string]time.Duration{"willing": time.Minute, "stubborn": 0} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			c := newTestCrew(t)
			for i := range 3 {
				p, err := c.start(component{name: fmt.Sprintf("%s-%d", name, i)})
				if err != nil {
					t.Fatal(err)
				}
				if err := c.await(t.Context(), p, here(p)); err != nil {
					t.Fatal(err)
				}
			}
			c.stop(grace)
			wantNothingLeft(t, c, before)
		})
	}
}

func TestAComponentThatEndsIsNamedAndTheOthersAreStopped(t *testing.T) {
	before := runtime.NumGoroutine()
	c := newTestCrew(t)
	first, err := c.start(component{name: "willing"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.await(t.Context(), first, here(first)); err != nil {
		t.Fatal(err)
	}
	second, err := c.start(component{name: "failing"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.await(t.Context(), second, here(second))
	want := "failing ended unexpectedly (exit status 3)\nThe end of its log, " + second.log + ":\n"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "no room left") {
		t.Errorf("%v\nwant %s", err, want)
	}
	c.stop(time.Minute)
	wantNothingLeft(t, c, before)
}

func TestAComponentThatHangsSaysWhere(t *testing.T) {
	before := runtime.NumGoroutine()
	c := newTestCrew(t)
	p, err := c.start(component{name: "stuck"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = c.await(ctx, p, here(p))
	for _, want := range []string{
		"stuck did not become ready: context deadline exceeded; the last answer was: it has not said so\n", "the log is empty\n",
		"What stuck was doing then:\ngoroutine 1 ", "[select (no cases)]", "plane.waiting(",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	c.stop(time.Minute)
	wantNothingLeft(t, c, before)
}
