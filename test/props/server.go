package props

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Server returns the absolute path of bin/portcullis in the repository at root. It is an error if make would build it anew: a test of an
// earlier server says nothing of this one.
func Server(ctx context.Context, root string) (string, error) {
	path, err := filepath.Abs(filepath.Join(root, "bin", "portcullis"))
	if err != nil {
		return "", fmt.Errorf("find the server: %w", err)
	}
	out, err := exec.CommandContext(ctx, "make", "--directory="+root, "--question", "bin/portcullis").CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		_, err := os.Stat(path) // go test thereby knows that what it remembers of the test is of this server
		return path, err
	case errors.As(err, &exit) && exit.ExitCode() == 1: // what --question answers
		return "", errors.New("bin/portcullis is missing, or older than what it is built of: run `make bin/portcullis`")
	}
	return "", fmt.Errorf("find out whether bin/portcullis is current: %w: %s", err, out)
}

// ServerT is Server for a test, which fails if there is none.
func ServerT(t testing.TB, root string) string {
	t.Helper()
	path, err := Server(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
