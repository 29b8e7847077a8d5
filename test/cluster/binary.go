package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// binaryEnv names the environment variable with the path of the binary.
	binaryEnv = "PORTCULLIS_CONTROLPLANE"
	// module is how the root of the repository is recognised: the control plane's own module lies below it.
	module = "module github.com/portcullis-dev/portcullis"
)

// findBinary returns the absolute path of the control plane's binary.
func findBinary(given string) (string, error) {
	for _, path := range []string{given, os.Getenv(binaryEnv)} {
		if path == "" {
			continue
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return "", fmt.Errorf("find the control plane: %w", err)
		}
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find the control plane: %w; run `make bin/controlplane`", err)
		}
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the control plane: %w", err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the control plane: %w", err)
		}
		if first, _, _ := strings.Cut(string(data), "\n"); strings.TrimSpace(first) == module {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the control plane: the working directory is not in the repository, and %s is not set", binaryEnv)
		}
		dir = parent
	}
	path := filepath.Join(dir, "bin", "controlplane")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the control plane is not built: %w; run `make bin/controlplane`", err)
	}
	return path, nil
}
