package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		want    []string
	}{
		"nothing but a directory": {Options{Dir: "/d"}, []string{"up", "--dir", "/d"}},
		"everything": {
			Options{
				Dir: "/d", Port: 6443, Timeout: time.Minute, AuthorizationConfig: "z", TokenWebhookConfig: "t", TokenWebhookVersion: "v1beta1",
				TokenWebhookCacheTTL: time.Second, AdmissionConfig: "a", AdmissionPlugins: []string{"X", "Y"}, AuditPolicy: "p",
				AuditWebhookConfig: "w", Users: map[string][]string{"bob": nil, "alice": {"dev", "ops"}}, ExtraArgs: []string{"--v=4"},
				NoControllerManager: true,
			},
			[]string{
				"up", "--dir", "/d", "--port=6443", "--timeout=1m0s", "--authorization-config=z", "--authentication-token-webhook-config=t",
				"--authentication-token-webhook-version=v1beta1", "--authentication-token-webhook-cache-ttl=1s", "--admission-config=a",
				"--enable-admission-plugins=X,Y", "--audit-policy=p", "--audit-webhook-config=w", "--controller-manager=false",
				"--user=alice=dev,ops", "--user=bob=", "--apiserver-arg=--v=4",
			},
		},
	} {
		got, err := tc.options.arguments()
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, tc.want)
		}
	}
	if _, err := (Options{}).arguments(); err == nil {
		t.Error("options without a directory are accepted")
	}
}

func TestFindBinary(t *testing.T) {
	t.Setenv(binaryEnv, "")
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", module+"\n\ngo 1.26.0\n")
	write("test/nested/go.mod", module+"/test/nested\n")
	write("test/nested/inner/file", "")
	t.Chdir(filepath.Join(root, "test", "nested", "inner"))

	if _, err := findBinary(""); err == nil || !strings.Contains(err.Error(), "make bin/controlplane") {
		t.Errorf("without a binary the error is %v, but it must say what to run", err)
	}
	write("bin/controlplane", "")
	want, err := filepath.EvalSymlinks(filepath.Join(root, "bin", "controlplane"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := findBinary("")
	if err != nil {
		t.Fatal(err)
	}
	if got, err = filepath.EvalSymlinks(got); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}

	write("other", "")
	t.Setenv(binaryEnv, filepath.Join(root, "other"))
	if got, err := findBinary(""); err != nil || filepath.Base(got) != "other" {
		t.Errorf("with %s set: got %q, %v", binaryEnv, got, err)
	}
	if got, err := findBinary("../../../bin/controlplane"); err != nil || filepath.Base(got) != "controlplane" || !filepath.IsAbs(got) {
		t.Errorf("with a path given: got %q, %v", got, err)
	}
}
