// Package cmd is the command line, one file a command, and the only package that knows all the others.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies/language"
)

// The exit codes, the same for every command.
const (
	exitOK      = 0
	exitFault   = 1 // usage, load, compile or cluster error
	exitRefused = 2 // a test failed, a request was denied
	exitLint    = 3 // a file is not written as it should be
	exitPartial = 4 // some of it is done, or known, and some is not
)

// exitError is an error that ends the program with a code of its own. It has no err when all has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// errRefused says, after the results were printed, that something in them was refused.
var errRefused = &exitError{code: exitRefused}

// Main runs the command line with args, which do not include the program's name, until it is done or the process is told to end, and
// returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	language.Register()
	logClients()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once, whatever is being drained
	return Run(ctx, args, stdin, stdout, stderr)
}

// Run is Main without the process: it ends when ctx does, and may be called several times at once, but for the command parse: OPA keeps
// its flags in variables of its package. The functions of package language must have been registered.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot() //nolint:contextcheck // commands get the context when they run
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	refuseUnknown(root)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.err != nil { // OPA's commands have said what is wrong themselves
			fmt.Fprintln(stderr, "portcullis: "+exit.Error())
		}
		return exit.code
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "portcullis: interrupted")
		return exitFault
	}
	for line := range strings.Lines(strings.TrimRight(err.Error(), "\n")) {
		fmt.Fprintln(stderr, "portcullis: "+strings.TrimRight(line, "\n"))
	}
	return exitFault
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "portcullis",
		Short: "Judges every request to a Kubernetes API server against Rego policies",
		Long: `Portcullis answers every question a Kubernetes API server can ask about a request, from one body of Rego:
whose token is it, may they, what to change, is it acceptable, which images.`,
		Example: `  portcullis serve --policies ./policies
  portcullis review -f pod.yaml --policies library:pods.privileged`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServe(), newReview(), newAudit(), newReplay(), newVerify(), newSetup(), newDoctor(), newUnlock(), newLock(), newPolicies(),
		newVersion())
	root.AddCommand(opaCommands()...)
	return root
}

// refuseUnknown adds cobra's own commands, help and completion, which otherwise take a name they do not know for success. It is called
// when the root knows where to write: completion remembers it.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = knownTopic
		case "completion":
			c.Args = func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					return nil
				}
				return fmt.Errorf("completion knows no shell %q; it knows bash, fish, powershell and zsh", args[0])
			}
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() } // arguments are looked at only of what can run
		}
	}
}

// knownTopic refuses the help of what is no command.
func knownTopic(c *cobra.Command, args []string) error {
	if _, rest, err := c.Root().Find(args); err != nil || len(rest) > 0 {
		return fmt.Errorf("there is no command %q; %s --help lists those there are", strings.Join(args, " "), c.Root().Name())
	}
	return nil
}

// noArguments refuses arguments, which are there because a flag was forgotten or takes one value only.
func noArguments(flag string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if strings.HasPrefix(args[0], libraryPrefix) {
			flag = "--policies"
		}
		return fmt.Errorf("%s takes no arguments: did you mean %s %s?", c.Name(), flag, args[0])
	}
}
