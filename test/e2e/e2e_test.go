// Package e2e runs the scripts in testdata against a real API server that Portcullis guards at every callout. Anyone can add one: a script
// is what a person would type, and what must come of it.
//
// Beside the commands of testscript there are:
//
//	kubectl [-u USER] ARGS...    the real kubectl, as the administrator or as one of the users below; standard input is that of `stdin`
//	policies FILE...             puts the files in force, beside what other scripts have put there, and waits until they are
//	withdraw FILE...             takes them away again
//	token NAME CLAIMS            sets the variable NAME to a JWT with these claims, signed by the issuer that policies know as $JWKS
//
// Every script has a namespace of its own, $NS, with the label team=payments, and its service account.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/gate"
	"github.com/portcullis-dev/portcullis/test/props"
)

// users have a kubeconfig each. What they may do is for the scripts to say; root is bound to cluster-admin.
func users() map[string][]string {
	return map[string][]string{"root": {"admins"}, "dev": {"developers"}, "oncall": {"on-call"}}
}

func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	dir := t.TempDir()
	policies := filepath.Join(dir, "policies")
	if err := os.MkdirAll(policies, 0o755); err != nil {
		t.Fatal(err)
	}
	// Portcullis does not answer before it has policies; this one asks nothing of anybody.
	if err := os.WriteFile(filepath.Join(policies, "nothing.rego"), []byte("package nothing\n\ndeny contains \"\" if false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := gate.Start(t.Context(), gate.Options{
		Dir: filepath.Join(dir, "gate"), Binary: binary(t), Policies: []string{policies}, Progress: testWriter{t},
		Cluster: cluster.Options{Users: users()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of Portcullis:\n%s", g.Log())
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	issuer, err := props.NewIssuer("e2e")
	if err != nil {
		t.Fatal(err)
	}
	s := suite{gate: g, policies: policies, issuer: issuer}
	if _, _, err := g.Kubectl(t.Context(), "", nil, "create", "clusterrolebinding", "root", "--clusterrole=cluster-admin", "--user=root"); err != nil {
		t.Fatal(err)
	}
	testscript.RunT(serial{t}, testscript.Params{
		Dir:                 "testdata",
		Setup:               s.setup,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"kubectl": s.kubectl, "policies": s.put, "withdraw": s.withdraw, "token": s.token},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// serial runs the scripts one after the other: they share the policies in force.
type serial struct{ *testing.T }

func (s serial) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(serial{t}) })
}
func (serial) Parallel()     {}
func (serial) Verbose() bool { return testing.Verbose() }

type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.Logf("%s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// binary is bin/portcullis, which make builds.
func binary(t *testing.T) string {
	t.Helper()
	return props.ServerT(t, filepath.Join("..", ".."))
}

// suite is what the scripts share.
type suite struct {
	gate     *gate.Gate
	policies string
	issuer   *props.Issuer
}

func (s suite) setup(env *testscript.Env) error {
	ns := "e2e-" + strings.ReplaceAll(filepath.Base(env.WorkDir), "script-", "")
	env.Setenv("NS", ns)
	env.Setenv("JWKS", "{keys: ["+s.issuer.JWK+"]}")
	ctx := context.Background()
	for _, args := range [][]string{{"create", "namespace", ns}, {"label", "namespace", ns, "team=payments"}} {
		if _, _, err := s.gate.Kubectl(ctx, "", nil, args...); err != nil {
			return err
		}
	}
	_, _, err := s.gate.Kubectl(ctx, "", nil, "wait", "--for=create", "serviceaccount/default", "--namespace="+ns, "--timeout=30s")
	return err
}

func (s suite) kubectl(ts *testscript.TestScript, neg bool, args []string) {
	user := ""
	if len(args) > 1 && args[0] == "-u" {
		user, args = args[1], args[2:]
	}
	for i := range args { // files are named as the script sees them
		if path := ts.MkAbs(args[i]); i > 0 && (args[i-1] == "-f" || args[i-1] == "--patch-file") {
			args[i] = path
			expand(ts, path)
		}
	}
	stdout, stderr, err := s.gate.Kubectl(context.Background(), user, nil, args...)
	fmt.Fprint(ts.Stdout(), stdout)
	fmt.Fprint(ts.Stderr(), stderr)
	switch {
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	case err == nil && neg:
		ts.Fatalf("kubectl %s should have failed", strings.Join(args, " "))
	}
}

// expand replaces $NS and $JWKS in a file.
func expand(ts *testscript.TestScript, path string) []byte {
	text, err := os.ReadFile(path)
	ts.Check(err)
	for _, name := range []string{"NS", "JWKS"} {
		text = bytes.ReplaceAll(text, []byte("$"+name), []byte(ts.Getenv(name)))
	}
	ts.Check(os.WriteFile(path, text, 0o600))
	return text
}

// put copies files into the policies' directory, each as editors save: written elsewhere and renamed.
func (s suite) put(ts *testscript.TestScript, _ bool, args []string) {
	before := s.metrics(ts, loads)
	for _, name := range args {
		text := expand(ts, ts.MkAbs(name))
		draft := filepath.Join(s.policies, "."+name)
		ts.Check(os.WriteFile(draft, text, 0o600))
		ts.Check(os.Rename(draft, filepath.Join(s.policies, name)))
	}
	s.await(ts, loads, before)
}

// withdraw waits for another revision: a file that has gone is believed a second later, and until then loads change nothing.
func (s suite) withdraw(ts *testscript.TestScript, _ bool, args []string) {
	before := s.metrics(ts, "revision_info")
	for _, name := range args {
		ts.Check(os.Remove(filepath.Join(s.policies, name)))
	}
	s.await(ts, "revision_info", before)
}

// loads are the metrics that say how often Portcullis has loaded policies, and the revision in force.
const loads = "load_total|revision_info"

func (s suite) metrics(ts *testscript.TestScript, names string) string {
	response, err := http.Get(s.gate.Health + "/metrics")
	ts.Check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	ts.Check(err)
	return strings.Join(regexp.MustCompile(`(?m)^portcullis_policy_(`+names+`).*$`).FindAllString(string(text), -1), "\n")
}

func (s suite) await(ts *testscript.TestScript, names, before string) {
	const patience = 2 * time.Minute // it takes a tenth of a second on an idle machine
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s.metrics(ts, names) != before {
			return
		}
	}
	ts.Fatalf("the policies were not loaded:\n%s", s.gate.Log())
}

func (s suite) token(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: token NAME CLAIMS")
	}
	var claims map[string]any
	ts.Check(json.Unmarshal([]byte(args[1]), &claims))
	token, err := s.issuer.Sign(claims)
	ts.Check(err)
	ts.Setenv(args[0], token)
}
