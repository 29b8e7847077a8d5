package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/webhook"
)

// serveFlags are what serve was told, on the command line or by --config.
type serveFlags struct {
	policies         policyFlags
	config           string
	listen           string
	healthListen     string
	certDir          string
	certNames        []string
	caFile           string
	clientCA         string
	clientNames      []string
	http2            bool
	cluster          memberFlags
	tls              tlsFlags
	gatekeeper       gatekeeperEnforcement
	maxBody          int64
	memory           int64
	memoryLimit      int64
	drain            time.Duration
	exemptNamespaces []string
	decisions        decisionFlags
	logLevel         string
	logFormat        string
}

func newServe() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve --policies PATH...",
		Short: "Answers the API server's webhooks",
		Long: `Serves /authenticate, /authorize/guard, /authorize/grant, /mutate, /validate and /image over HTTPS, and /healthz, /readyz and
/metrics on a port of their own; with --audit-events /events beside the first, and with --ui pages on a third port. Policies are read again when their files change. Without a cluster and without certificates it
makes its own; the authority to trust is printed on standard output.`,
		Example: `  portcullis serve --policies ./policies
  portcullis serve --policies ./policies --policies library:pods.privileged --cert-dir ./certs --kubeconfig ~/.kube/config`,
		Args: noArguments("--policies"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.config != "" {
				if err := applyConfig(cmd.Flags(), flags.config); err != nil {
					return err
				}
			}
			if flags.memoryLimit != 0 && !cmd.Flags().Changed("review-memory-bytes") {
				flags.memory = flags.memoryLimit / 2
			}
			return flags.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	flags.policies.register(f)
	f.StringVar(&flags.config, "config", "", "`FILE` of YAML with the names of these flags as keys; the command line wins")
	f.StringVar(&flags.listen, "listen", "127.0.0.1:8443", "`ADDRESS` for the API server's calls")
	f.StringVar(&flags.healthListen, "health-listen", "127.0.0.1:8081", "`ADDRESS` for /healthz, /readyz and /metrics, without TLS")
	f.StringVar(&flags.certDir, "cert-dir", "", "`DIR` for the certificates made here; if it holds tls.crt and tls.key but no ca.key, those of somebody else, which are served and followed")
	f.StringArrayVar(&flags.certNames, "cert-name", nil, "DNS `NAME` or IP address the certificate is for, beside the listen address, where it is made here; may be repeated")
	f.StringVar(&flags.caFile, "ca-file", "", "`FILE` to keep the authority to trust in, instead of printing it once; no two running servers may share it")
	f.StringVar(&flags.clientCA, "client-ca", "", "`FILE` of the authority whose client certificates callers must show")
	f.StringArrayVar(&flags.clientNames, "client-name", nil, "`NAME` in a caller's certificate, whole, as common name or DNS name, or * for any; may be repeated")
	f.BoolVar(&flags.http2, "http2", true, "offer HTTP/2 on loopback addresses")
	flags.cluster.add(f)
	flags.tls.add(f)
	flags.gatekeeper.add(f)
	f.Int64Var(&flags.maxBody, "max-review-bytes", webhook.DefaultMaxAdmission, "the largest AdmissionReview accepted, in `BYTES`")
	f.Int64Var(&flags.memory, "review-memory-bytes", defaultReviewMemory, "what reviews under way may take together, in `BYTES`; more are turned away for a second, and one that takes more by itself waits until it is alone")
	f.Int64Var(&flags.memoryLimit, "memory-limit", 0, "`BYTES` that this process may use: half of them are what --review-memory-bytes is by default, and Go keeps its heap below nine tenths unless $GOMEMLIMIT says otherwise")
	f.DurationVar(&flags.drain, "drain", webhook.DefaultDrain, "how long to serve on after SIGTERM, telling callers to go elsewhere")
	f.StringArrayVar(&flags.exemptNamespaces, "exempt-namespace", nil, "`NAME` of a namespace, without wildcards, in which admission is always allowed; may be repeated")
	flags.decisions.add(f)
	f.StringVar(&flags.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&flags.logFormat, "log-format", "text", "text or json")
	return cmd
}

// defaultReviewMemory is a quarter of a gigabyte: with a review's cost taken as six times its bytes, two of the largest legal reviews
// at once, or thousands of usual ones.
const defaultReviewMemory = 256 << 20

// check returns what is wrong with the flags taken by themselves.
func (f *serveFlags) check() error {
	for _, address := range []struct{ flag, value string }{{"--listen", f.listen}, {"--health-listen", f.healthListen}, {"--ui-listen", f.cluster.uiListen}} {
		if _, _, err := net.SplitHostPort(address.value); err != nil {
			return fmt.Errorf("%s %q is not an address such as 127.0.0.1:8443 or :8443", address.flag, address.value)
		}
	}
	for _, list := range []struct {
		flag   string
		values []string
	}{{"--cert-name", f.certNames}, {"--client-name", f.clientNames}, {"--exempt-namespace", f.exemptNamespaces}} {
		if slices.Contains(list.values, "") {
			return fmt.Errorf("%s is given an empty name; leave it out, or name one", list.flag)
		}
	}
	switch {
	case f.maxBody < 1:
		return fmt.Errorf("--max-review-bytes %d lets no review in; it must be at least 1", f.maxBody)
	case f.memoryLimit < 0:
		return fmt.Errorf("--memory-limit %d is no memory at all", f.memoryLimit)
	case f.memoryLimit > 0 && f.memoryLimit/2 == f.memory && f.memory < webhook.LeastBudget(f.maxBody):
		return fmt.Errorf("--memory-limit %d has no room for the longest review; with --max-review-bytes %d it must be at least %d",
			f.memoryLimit, f.maxBody, 2*webhook.LeastBudget(f.maxBody))
	case f.memoryLimit > 0 && f.memory > f.memoryLimit:
		return fmt.Errorf("--review-memory-bytes %d is more than --memory-limit %d has for all", f.memory, f.memoryLimit)
	case f.memory < webhook.LeastBudget(f.maxBody):
		return fmt.Errorf("--review-memory-bytes %d is no room for the longest review; with --max-review-bytes %d it must be at least %d",
			f.memory, f.maxBody, webhook.LeastBudget(f.maxBody))
	case f.drain < 0:
		return fmt.Errorf("--drain %s is in the past; 0s is no drain at all", f.drain)
	case f.listen == f.healthListen && !strings.HasSuffix(f.listen, ":0"):
		return fmt.Errorf("--listen and --health-listen are both %s; they need an address each", f.listen)
	case f.clientCA != "" && len(f.clientNames) == 0:
		return errors.New("--client-ca goes with --client-name NAME: the name in the API server's certificate, or * for every certificate of that authority")
	case f.clientCA == "" && len(f.clientNames) > 0:
		return errors.New("--client-name goes with --client-ca FILE: the authority by which the certificates of callers are checked")
	}
	for _, check := range []func() error{
		f.checkMeaning, f.cluster.check, f.gatekeeper.check, func() error { return f.tls.check(&f.cluster, f.certDir) },
		func() error { return f.decisions.check(f.clientCA) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (f *serveFlags) logger(out io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q is none of debug, info, warn and error", f.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q is neither text nor json", f.logFormat)
}

// hosts are the names the certificate made here is for: those of the listen address and those given.
func (f *serveFlags) hosts() (names []string, ips []net.IP, err error) {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("--listen: %w", err)
	}
	given := append([]string{"localhost", "127.0.0.1", "::1"}, f.certNames...)
	if host != "" && host != "0.0.0.0" && host != "::" {
		given = append(given, host)
	}
	seen := map[string]bool{}
	for _, name := range given {
		if seen[name] {
			continue
		}
		seen[name] = true
		if ip := net.ParseIP(name); ip != nil {
			ips = append(ips, ip)
		} else {
			names = append(names, name)
		}
	}
	return names, ips, nil
}

// outlive runs the server until ctx ends, and the parts it stands on a little longer: until it has drained. When a part fails, the
// server is of no use any more and ends at once.
func outlive(ctx context.Context, server *webhook.Server, parts []func(context.Context) error) error {
	lasting, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	failed := make(chan error, len(parts))
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(func() {
			if err := part(lasting); err != nil {
				failed <- err
			}
		})
	}
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	var err error
	select {
	case err = <-served:
	case err = <-failed:
		_ = server.Close() // why it ends is what failed, not how
		<-served           //nolint:errcheck // nor with what
	}
	stopParts()
	wg.Wait()
	return err
}

func (f *serveFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	log, err := f.logger(stderr)
	if err != nil {
		return err
	}
	if f.memoryLimit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(f.memoryLimit / 10 * 9))
	}
	m, err := NewMetrics(log)
	if err != nil {
		return err
	}
	a := assembly{serveFlags: f, log: log, metrics: m, engine: &policies.Engine{}}
	defer a.close()
	return a.serve(ctx, stdout)
}
