package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/review"
)

// The outcomes of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "FAIL"
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
	now             time.Time
}

// examination is one look at one topic. An error is told as a failed check: the others are looked at all the same.
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

// lookTime bounds one examination.
const lookTime = 20 * time.Second

func newDoctor() *cobra.Command {
	var flags clusterFlags
	var namespace, secret, format string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Looks whether the API server reaches Portcullis, and what could lock the cluster",
		Long: `Looks at a release from outside: whether the API server reaches the admission webhooks and trusts them, until when the certificates
are valid and whether they fit, which authorizers it asks in which order, whether tokens are asked about, which webhooks could keep a
cluster from coming up, whether all replicas serve the same, and which policies are faulty. It changes nothing: what it creates are dry
runs and reviews. It needs the rights of an administrator. The exit code is 2 if something is wrong, 1 if it could not look.`,
		Example: `  portcullis doctor
  portcullis doctor --kubeconfig admin.conf -o json`,
		Args: noArguments("--name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return fmt.Errorf("--output %q is neither table nor json", format)
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
			d := &doctor{client: client, name: flags.name, namespace: namespace, secret: secret, now: time.Now()}
			if d.secret == "" {
				d.secret = d.name + "-tls"
			}
			if d.dynamic, err = dynamic.NewForConfig(config); err != nil {
				return fmt.Errorf("--kubeconfig: %w", err)
			}
			return d.run(cmd.Context(), cmd.OutOrStdout(), format)
		},
	}
	flags.register(cmd.Flags())
	cmd.Flags().StringVar(&namespace, "namespace", "", "`NAME` of the namespace that the release is in; if it is not given, it is looked for, and else "+defaultNamespace)
	cmd.Flags().StringVar(&secret, "tls-secret", "", "`NAME` of the Secret with the certificate; by default that of the release with -tls behind it")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "table or json")
	return cmd
}

func (d *doctor) run(ctx context.Context, stdout io.Writer, format string) error {
	if _, err := d.client.Discovery().ServerVersion(); err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	var all []check
	for _, e := range d.examinations() {
		looking, cancel := context.WithTimeout(ctx, lookTime)
		checks, err := e.look(looking)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			checks = append(checks, check{e.topic, checkWarn, "could not be looked at: " + err.Error(), "run doctor as a user who may see it"})
		}
		all = append(all, checks...)
	}
	if err := printChecks(stdout, all, format); err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(c check) bool { return c.Status == checkFail }) {
		return errRefused
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
