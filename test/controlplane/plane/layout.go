package plane

import (
	"fmt"
	"os"
	"path/filepath"
)

// layout knows where everything lies in the directory of one control plane.
type layout string

func (l layout) kubeconfig() string              { return filepath.Join(string(l), "kubeconfig") }
func (l layout) userKubeconfig(u string) string  { return filepath.Join(string(l), u+".kubeconfig") }
func (l layout) etcdData() string                { return filepath.Join(string(l), "etcd") }
func (l layout) logs() string                    { return filepath.Join(string(l), "logs") }
func (l layout) log(component string) string     { return filepath.Join(l.logs(), component+".log") }
func (l layout) auditLog() string                { return l.log("audit") }
func (l layout) run() string                     { return filepath.Join(string(l), "run") }
func (l layout) pidFile(component string) string { return filepath.Join(l.run(), component+".pid") }
func (l layout) private(name string) string      { return filepath.Join(string(l), "private", name) }
func (l layout) caCert() string                  { return l.private("ca.crt") }
func (l layout) caKey() string                   { return l.private("ca.key") }
func (l layout) servingCert() string             { return l.private("apiserver.crt") }
func (l layout) servingKey() string              { return l.private("apiserver.key") }
func (l layout) serviceAccountKey() string       { return l.private("service-account.key") }
func (l layout) tokens() string                  { return l.private("tokens.csv") }
func (l layout) controllerManagerKubeconfig() string {
	return l.private("kube-controller-manager.kubeconfig")
}

// create makes the directories. They hold keys and tokens, so nobody else may look in.
func (l layout) create() error {
	for _, dir := range []string{string(l), l.etcdData(), l.logs(), l.run(), l.private("")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the directory of the control plane: %w", err)
		}
	}
	return nil
}

// clear removes what told an earlier run's visitors where to go: its kubeconfigs and process numbers. A program which waits for the
// kubeconfig to appear must not find an old one.
func (l layout) clear() error {
	old, err := filepath.Glob(filepath.Join(string(l), "*.kubeconfig"))
	if err != nil {
		return fmt.Errorf("look for old kubeconfigs: %w", err)
	}
	pids, err := filepath.Glob(filepath.Join(l.run(), "*.pid"))
	if err != nil {
		return fmt.Errorf("look for old process numbers: %w", err)
	}
	for _, f := range append(append(old, pids...), l.kubeconfig()) {
		if err := os.Remove(f); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	return nil
}

// writeFile replaces a file in one step, so that nobody ever reads half of it.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // CreateTemp makes it 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // after the rename there is nothing left to remove
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
