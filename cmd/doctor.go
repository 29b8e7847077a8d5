package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/review"
)

// The outcomes of a check.
const (
	checkOK      = "ok"
	checkWarn    = "warn"
	checkFail    = "FAIL"
	checkUnknown = "unknown" // it could not be looked at
)

// check is one thing that doctor looked at.
type check struct {
	Check   string `json:"check"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"` // empty when nothing is wrong
}

// doctor looks at a release.
type doctor struct {
	client          kubernetes.Interface
	dynamic         dynamic.Interface
	name, namespace string
	secret          string // that of the certificate
	secretNamed     bool   // whether it must be there, because somebody named it
	now             time.Time
}

// examination is one look at one topic. An error is told as what could not be looked at: the others are looked at all the same.
type examination struct {
	topic string
	look  func(context.Context) ([]check, error)
}

func (d *doctor) examinations() []examination {
	return []examination{
		{"registration", d.registration},
		{"certificates", d.certificates},
		{"admission", d.probes},
		{"lock-out", d.lockOut},
		{"authorizers", d.authorizers},
		{"tokens", d.tokens},
		{"replicas", d.replicas},
		{"policies", d.policies},
	}
}

const (
	// lookTime bounds one examination. The longest has two webhooks asked, each of which may take thirty seconds.
	lookTime = 75 * time.Second
	// probeTime is how long a probe may take beside the time that its webhook may.
	probeTime = 5 * time.Second
	// lookAgain is how long to wait, while something is wrong, before everything is looked at again.
	lookAgain = time.Second
)

// chosen are the examinations of the topics, in their order; without topics, all.
func (d *doctor) chosen(topics []string) ([]examination, error) {
	all := d.examinations()
	if len(topics) == 0 {
		return all, nil
	}
	var names []string
	for _, e := range all {
		names = append(names, e.topic)
	}
	for _, topic := range topics {
		if !slices.Contains(names, topic) {
			return nil, fmt.Errorf("--topics: %q is none of %s", topic, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(e examination) bool { return !slices.Contains(topics, e.topic) }), nil
}

func newDoctor() *cobra.Command {
	var flags clusterFlags
	var namespace, secret, format string
	var topics []string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Looks whether the API server reaches Portcullis, and what could lock the cluster",
		Long: `Looks at a release from outside: whether the API server reaches the admission webhooks and trusts them, until when the certificates
are valid and whether they fit, which authorizers it asks in which order, whether tokens are asked about, which webhooks could keep a
cluster from coming up, whether all replicas serve the same, and which policies are faulty. It changes nothing: what it creates are dry
runs and reviews. It needs the rights of an administrator, unless --topics leaves out what they are needed for: who may do what the server
may can look at registration, certificates, admission, replicas and policies. The exit code is 2 if something is wrong, and 1 if nothing is
and something could not be looked at.`,
		Example: `  portcullis doctor
  portcullis doctor --kubeconfig admin.conf -o json
  portcullis doctor --topics registration,admission --wait 30s`,
		Args: noArguments("--name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return fmt.Errorf("--output %q is neither table nor json", format)
			}
			if _, err := new(doctor).chosen(topics); err != nil {
				return err
			}
			config, err := flags.config()
			if err != nil {
				return err
			}
			config.QPS = -1 // a handful of requests, at once
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return fmt.Errorf("--kubeconfig: %w", err)
			}
			if err := flags.find(cmd.Context(), client, &namespace); err != nil {
				return err
			}
			d := &doctor{client: client, name: flags.name, namespace: namespace, secret: secret, secretNamed: secret != ""}
			if d.secret == "" {
				d.secret = d.name + "-tls"
			}
			if d.dynamic, err = dynamic.NewForConfig(config); err != nil {
				return fmt.Errorf("--kubeconfig: %w", err)
			}
			return d.run(cmd.Context(), cmd.OutOrStdout(), format, topics, wait)
		},
	}
	flags.register(cmd.Flags())
	cmd.Flags().StringVar(&namespace, "namespace", "", "`NAME` of the namespace that the release is in; if it is not given, it is looked for, and else "+defaultNamespace)
	cmd.Flags().StringVar(&secret, "tls-secret", "", "`NAME` of the Secret with the certificate; by default that of the release with -tls behind it")
	cmd.Flags().StringSliceVar(&topics, "topics", nil, "`LIST` of what to look at; by default everything")
	cmd.Flags().DurationVar(&wait, "wait", 0, "how `LONG` to look again while something is wrong, as 30s after an installation")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "table or json")
	return cmd
}

func (d *doctor) run(ctx context.Context, stdout io.Writer, format string, topics []string, wait time.Duration) error {
	if _, err := d.client.Discovery().ServerVersion(); err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	chosen, err := d.chosen(topics)
	if err != nil {
		return err
	}
	for until := time.Now().Add(wait); ; {
		all, err := d.look(ctx, chosen)
		if err != nil {
			return err
		}
		verdict := conclude(all)
		if verdict == nil || time.Now().After(until) {
			return errors.Join(printChecks(stdout, all, format), verdict)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// look returns what every examination finds; the only error is that of a ctx that ends.
func (d *doctor) look(ctx context.Context, chosen []examination) ([]check, error) {
	d.now = time.Now()
	var all []check
	for _, e := range chosen {
		looking, cancel := context.WithTimeout(ctx, lookTime)
		checks, err := e.look(looking)
		cancel()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			checks = append(checks, check{
				e.topic, checkUnknown, "could not be looked at: " + err.Error(), "run doctor as a user who may see it, or leave it out with --topics",
			})
		}
		all = append(all, checks...)
	}
	return all, nil
}

// conclude returns the exit code as an error: what is wrong weighs more than what could not be looked at.
func conclude(all []check) error {
	is := func(status string) bool {
		return slices.ContainsFunc(all, func(c check) bool { return c.Status == status })
	}
	switch {
	case is(checkFail):
		return errRefused
	case is(checkUnknown):
		return &exitError{code: exitFault}
	}
	return nil
}

func printChecks(out io.Writer, checks []check, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Checks []check `json:"checks"`
		}{checks})
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range checks {
		fmt.Fprintf(table, "%s\t%s\t%s\n", c.Status, c.Check, review.Sentence(c.Message, review.MaxMessage))
		if c.Remedy != "" {
			fmt.Fprintf(table, "\t\t-> %s\n", c.Remedy)
		}
	}
	return table.Flush()
}
