package cmd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// exitFiles are what the commands of TestExitCodes are run on.
const exitFiles = `
-- policies/rule.rego --
package names

deny contains "no" if input.request.object.metadata.name == "bad"

warn contains "hm" if input.request.object.metadata.name == "odd"
-- policies/rule_test.rego --
package names_test

import data.names

test_no if names.deny with input.request.object.metadata.name as "bad"
-- failing/rule_test.rego --
package failing_test

test_no if false
-- faulty/rule.rego --
package faulty

deny contains x if true
-- ugly/rule.rego --
package   ugly
-- good.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: good}
-- bad.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: bad}
-- odd.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: odd}
-- torn.yaml --
apiVersion: v1
kind: [
-- empty.yaml --
# Nothing.
-- certs/tls.crt --
not a certificate
-- certs/tls.key --
not a key
-- config.yaml --
polices: [policies]
`

// TestExitCodes is what scripts may rely on.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for _, file := range txtar.Parse([]byte(exitFiles)).Files {
		name := filepath.Join(dir, file.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	over, end := context.WithCancel(t.Context())
	end()
	const serve = "serve --listen=127.0.0.1:0 --health-listen=127.0.0.1:0 --drain=0s "
	for _, c := range []struct {
		what, args string
		want       int
		ctx        context.Context
		stdin      string
	}{
		{what: "success", args: "version"},
		{what: "help", args: "review --help"},
		{what: "help about a command", args: "help completion bash"},
		{what: "completion", args: "completion zsh"},
		{what: "help about completion", args: "completion"},
		{what: "nothing refused", args: "review --policies policies -f good.yaml"},
		{what: "a warning", args: "review --policies policies -f odd.yaml"},
		{what: "tests pass", args: "test policies"},
		{what: "an answer", args: "eval input.x"},
		{what: "a server told to end", args: serve + "--policies policies", ctx: over},

		{what: "unknown command", args: "reviw", want: exitFault},
		{what: "help about an unknown command", args: "help nosuch", want: exitFault},
		{what: "help about an unknown command below one", args: "help completion nosuch", want: exitFault},
		{what: "completion of an unknown shell", args: "completion nosuch", want: exitFault},
		{what: "unknown flag", args: "review --polices policies -f good.yaml", want: exitFault},
		{what: "unknown flag of OPA's", args: "test --polices policies", want: exitFault},
		{what: "bad value of a flag", args: "review --policies policies -f good.yaml -o xml", want: exitFault},
		{what: "bad value of serve's flag", args: serve + "--policies policies --drain soon", want: exitFault},
		{what: "no policies", args: "review -f good.yaml", want: exitFault},
		{what: "no such policies", args: "review --policies nowhere -f good.yaml", want: exitFault},
		{what: "no such file", args: "review --policies policies -f nowhere.yaml", want: exitFault},
		{what: "bad YAML", args: "review --policies policies -f torn.yaml", want: exitFault},
		{what: "bad YAML after what is refused", args: "review --policies policies -f bad.yaml -f torn.yaml", want: exitFault},
		{what: "nothing in the file", args: "review --policies policies -f empty.yaml", want: exitFault},
		{what: "nothing on standard input", args: "review --policies policies -f -", want: exitFault},
		{what: "bad Rego", args: "review --policies faulty -f bad.yaml", want: exitFault},
		{what: "bad Rego to serve", args: serve + "--policies faulty", want: exitFault},
		{what: "bad Rego to test", args: "test faulty", want: exitFault},
		{what: "bad Rego to check", args: "check faulty", want: exitFault},
		{what: "bad Rego to evaluate", args: "eval --data faulty true", want: exitFault},
		{what: "bad certificate", args: serve + "--policies policies --cert-dir certs", want: exitFault},
		{what: "bad configuration", args: "serve --config config.yaml", want: exitFault},
		{what: "address in use", args: serve + "--policies policies --listen " + taken.Addr().String(), want: exitFault},
		{what: "review interrupted", args: "review --policies policies -f bad.yaml", ctx: over, want: exitFault},
		{what: "test interrupted", args: "test failing", ctx: over, want: exitFault},

		{what: "a denial", args: "review --policies policies -f good.yaml -f bad.yaml", want: exitRefused},
		{
			what: "a denial from standard input", args: "review --policies policies -f -", want: exitRefused,
			stdin: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\n",
		},
		{what: "a warning that counts", args: "review --policies policies -f odd.yaml --fail-on warn", want: exitRefused},
		{what: "a failed test", args: "test failing", want: exitRefused},
		{what: "an answer that was not to be", args: "eval --fail-defined true", want: exitRefused},

		{what: "a file to format", args: "fmt --list --fail ugly", want: exitLint},
	} {
		t.Run(c.what, func(t *testing.T) {
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			var stdout, stderr buffer
			got := Run(ctx, strings.Fields(c.args), strings.NewReader(c.stdin), &stdout, &stderr)
			if got != c.want {
				t.Errorf("exit code %d of portcullis %s, want %d\n%s%s", got, c.args, c.want, stdout.String(), stderr.String())
			}
			if strings.HasSuffix(c.what, "interrupted") && (stderr.String() != "portcullis: interrupted\n" || stdout.String() != "") {
				t.Errorf("%q, %q", stdout.String(), stderr.String())
			}
		})
	}
}
