package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/test/gate"
)

// walk goes through the callouts one by one.
type walk struct {
	gate   *gate.Gate
	home   home
	login  login
	out    io.Writer
	edited bool // the policies are not those the steps are about
	steps  int
}

// prepare makes what the walk needs: two namespaces, a Secret, and an administrator whom RBAC allows everything.
func (w *walk) prepare(ctx context.Context) error {
	for _, args := range [][]string{
		{"create", "namespace", "shop"},
		{"label", "namespace", "shop", "team=payments"},
		{"create", "namespace", "vault"},
		{"create", "secret", "generic", "master-key", "--namespace=vault", "--from-literal=key=s3cr3t"},
		{"create", "clusterrolebinding", "alice", "--clusterrole=cluster-admin", "--user=alice"},
	} {
		if _, _, err := w.gate.Kubectl(ctx, "", nil, args...); err != nil {
			return err
		}
	}
	// Pods need their namespace's service account, which a controller makes.
	return eventually(ctx, func() error {
		_, _, err := w.gate.Kubectl(ctx, "", nil, "get", "serviceaccount", "default", "--namespace=shop")
		return err
	})
}

// run is the walk. It ends at the first surprise, unless the policies have been edited.
func (w *walk) run(ctx context.Context) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprint(w.out, `
What follows is the real kubectl at a real API server, which asks Portcullis at every callout. Before the $ stands who types.
`)
	token, err := w.login.token("jane", "developers")
	if err != nil {
		return err
	}
	webOf := "jsonpath={.metadata.labels}{\"\\n\"}{.spec.securityContext}{\"\\n\"}{.spec.containers[0].securityContext}{\"\\n\"}"
	for _, s := range []step{
		{
			title: "validate: a Pod that breaks the rules is refused, and every violation is named",
			args:  []string{"apply", "--namespace=shop", "-f", w.home.manifest("bad.yaml")},
			fails: true, expect: []string{"denied the request", "privileged", "hostNetwork", "app-label", "runAsNonRoot"},
		},
		{
			title: "the corrected Pod is admitted ...",
			args:  []string{"apply", "--namespace=shop", "-f", w.home.manifest("good.yaml")}, expect: []string{"pod/web created"},
		},
		{
			title:  "mutate: ... and has been given its namespace's team and safe defaults",
			args:   []string{"get", "pod", "web", "--namespace=shop", "-o", webOf},
			expect: []string{`"team":"payments"`, `"runAsNonRoot":true`, `"allowPrivilegeEscalation":false`},
		},
		{
			title: "guard: alice is cluster-admin, which RBAC confirms ...",
			user:  "alice", args: []string{"get", "secrets", "--namespace=shop"}, expect: []string{"No resources found"},
		},
		{
			title: "... but nobody reads the Secrets of a sealed namespace",
			user:  "alice", args: []string{"get", "secret", "master-key", "--namespace=vault"},
			fails: true, expect: []string{"Forbidden", "sealed-vault"},
		},
		{
			title: "grant: RBAC gives the person on call nothing ...",
			user:  "oncall", args: []string{"get", "pods", "--namespace=vault"}, fails: true, expect: []string{"Forbidden"},
		},
		{
			title: "... but the glass may be broken in the shop, for an hour",
			user:  "oncall", args: []string{"get", "pods", "--namespace=shop"}, expect: []string{"web"},
		},
		{
			title: "authenticate: a token of our own issuer is a login",
			args:  []string{"auth", "whoami", "--token=" + token}, expect: []string{"demo:jane", "demo:developers"},
		},
		{
			title: "image: an image from elsewhere does not run",
			args:  []string{"apply", "--namespace=shop", "-f", w.home.manifest("elsewhere.yaml")},
			fails: true, expect: []string{"image policy webhook backend denied", "our-registry-only"},
		},
		{
			title: "a policy of one's own: " + filepath.Join(w.home.policies(), "names.rego"),
			args:  []string{"create", "configmap", "tmp-1", "--namespace=shop"},
			fails: true, expect: []string{"demo.names: the name begins with tmp-; say what it is for"},
		},
	} {
		if err := w.take(ctx, s); err != nil {
			return err
		}
	}
	if w.edited { // this step would change what is the user's
		return nil
	}
	return w.edit(ctx)
}

// step is one command of the walk and what it must show.
type step struct {
	title  string
	user   string // of those with a kubeconfig; empty is the administrator
	args   []string
	fails  bool
	expect []string
}

// take runs a step, shows it as a person would have seen it, and is surprised by anything unexpected.
func (w *walk) take(ctx context.Context, s step) error {
	stdout, stderr, err := w.gate.Kubectl(ctx, s.user, nil, s.args...)
	if exit := errors.Unwrap(err); err != nil && exit == nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.title(s.title)
	w.show(s.user, s.args, stdout+stderr)
	surprise := s.surprise(stdout+stderr, err)
	if surprise == "" {
		return nil
	}
	if w.edited {
		fmt.Fprintf(w.out, "    (With the policies as shipped %s.)\n", surprise)
		return nil
	}
	return fmt.Errorf("step %d is a surprise: %s", w.steps, surprise)
}

// surprise says what should have been otherwise; it is empty when nothing should.
func (s step) surprise(shown string, err error) string {
	switch {
	case s.fails && err == nil:
		return "it would have been refused"
	case !s.fails && err != nil:
		return "it would have succeeded"
	}
	for _, want := range s.expect {
		if !strings.Contains(shown, want) {
			return fmt.Sprintf("it would have shown %q", want)
		}
	}
	return ""
}

func (w *walk) title(text string) {
	w.steps++
	fmt.Fprintf(w.out, "\n%2d  %s\n", w.steps, text)
}

// show prints a command and what came of it.
func (w *walk) show(user string, args []string, output string) {
	fmt.Fprintf(w.out, "    %s$ kubectl %s\n", cmp.Or(user, "admin"), strings.Join(readable(args), " "))
	for line := range strings.Lines(output) {
		fmt.Fprintf(w.out, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

// readable shortens what nobody wants to read.
func readable(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		switch {
		case strings.HasPrefix(arg, "--token="):
			arg = arg[:min(len(arg), 20)] + "..."
		case strings.ContainsAny(arg, " {}\"\\"):
			arg = "'" + arg + "'"
		}
		out[i] = arg
	}
	return out
}

// edit changes the policy as an editor would, looks for the next request to be judged by it, and changes it back.
func (w *walk) edit(ctx context.Context) (err error) {
	file := filepath.Join(w.home.policies(), "names.rego")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	defer func() {
		back := os.WriteFile(file, text, 0o600)
		if err = errors.Join(err, back); err == nil {
			fmt.Fprintf(w.out, "    (The walk has put %s back as it was: names that begin with tmp- are refused again.)\n", file)
		}
	}()
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("tmp-"), []byte("test-")), 0o600); err != nil {
		return err
	}
	w.title("... which the walk has just edited, tmp- to test-: the next request is judged by that")
	create := []string{"create", "configmap", "tmp-1", "--namespace=shop"}
	var stdout string
	if err := eventually(ctx, func() (err error) {
		stdout, _, err = w.gate.Kubectl(ctx, "", nil, create...)
		return err
	}); err != nil {
		return fmt.Errorf("step %d is a surprise: the edited policy is not in force: %w", w.steps, err)
	}
	w.show("", create, stdout)
	return nil
}

// invite says how to go on.
func (w *walk) invite() {
	fmt.Fprintf(w.out, `
The control plane and Portcullis stay up until you press Ctrl-C. There are no nodes, so Pods stay Pending. In another terminal, at this
folder:

    export KUBECONFIG=%s
    bin/controlplane kubectl get pods -A

Edit what is in %s, then try again: the next request is judged by it. Every decision is a line in
%s, Portcullis' own log is %s.
`, w.gate.Kubeconfig, w.home.policies(), w.home.decisions(), w.home.join("portcullis.log"))
}

// patience bounds the waiting for something that takes milliseconds on an idle machine.
const patience = 20 * time.Second

// eventually tries until it succeeds or patience ends.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
