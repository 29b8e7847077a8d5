package node_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/portcullis-dev/portcullis/test/cluster/node"
)

// parentWord makes this binary one that starts a process as the node does, and waits for its own end.
const parentWord = "parent"

func parent() {
	child := exec.Command("sleep", "600")
	child.Stdout, child.SysProcAttr = os.Stdout, node.DieWithParent()
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println("started")
	_ = child.Wait() // until this process is killed
}

func TestProcessesEndWithACrash(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with its parent")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, parentWord)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Both hold the pipe, so that it ends when the last of them has.
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}
