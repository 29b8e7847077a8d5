// Package docs holds the documentation to its word: what a page prints is extracted and used as a reader would use it.
package docs

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

// page is a page of the documentation; what stands between fences are its blocks.
type page struct {
	name   string
	blocks []block
}

// block is what stands between two fences, with the language of the first.
type block struct{ language, text string }

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// read reads a page. What the replacer knows is replaced in it: a test has other folders and ports than the reader.
func read(t *testing.T, name string, replacer *strings.Replacer) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	p := page{name: name}
	for _, found := range fenced.FindAllStringSubmatch(replacer.Replace(string(text)), -1) {
		p.blocks = append(p.blocks, block{found[1], found[2]})
	}
	return p
}

// block returns the one block of that language with that text in it.
func (p page) block(t *testing.T, language, with string) string {
	t.Helper()
	var found []string
	for _, b := range p.blocks {
		if b.language == language && strings.Contains(b.text, with) {
			found = append(found, b.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s with %q, want one", p.name, len(found), language, with)
	}
	return found[0]
}

func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// binary is one that make builds.
func binary(t *testing.T, name string) string {
	t.Helper()
	if name == "portcullis" {
		return props.ServerT(t, root(t))
	}
	path := filepath.Join(root(t), "bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run `make bin/%s`", err, name)
	}
	return path
}

// shell is where the commands of a page are typed: a folder, with the binaries in its bin.
type shell struct{ folder string }

// newShell makes a folder in which the named binaries are found in bin, and in the path.
func newShell(t *testing.T, binaries map[string]string) shell {
	t.Helper()
	s := shell{t.TempDir()}
	s.write(t, "bin/.keep", "")
	for name, target := range binaries {
		if err := os.Symlink(target, filepath.Join(s.folder, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s shell) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s shell) command(t *testing.T, text string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", text)
	cmd.Dir = s.folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(s.folder, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd
}

// run types commands that must succeed, and returns what they print.
func (s shell) run(t *testing.T, text string) string {
	t.Helper()
	cmd := s.command(t, text)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s\n%v\n%s%s", text, err, out, stderr.String())
	}
	return string(out)
}

// start types a command that goes on until it is stopped, at the latest when the test ends. If the test fails, its output is shown.
func (s shell) start(t *testing.T, text string) (stop func()) {
	t.Helper()
	cmd := s.command(t, "exec "+text)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it need not drain: nobody asks any more
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s\n%s", text, output.String())
		}
	})
	t.Cleanup(stop)
	return stop
}

// need skips a test on a machine without a program that the page takes for granted.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("the page takes for granted that there is %s: %v", program, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually waits for what takes milliseconds on an idle machine.
func eventually(t *testing.T, what string, try func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if try() {
			return
		}
	}
	t.Fatalf("it never came to be: %s", what)
}
