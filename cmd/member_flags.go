package cmd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portcullis-dev/portcullis/audit/reports"
	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// gatekeeperNamespace is where Gatekeeper's own manifests put it.
const gatekeeperNamespace = "gatekeeper-system"

// memberFlags are what serve was told about the cluster it works with.
type memberFlags struct {
	kubeconfig string
	inCluster  bool

	namespace, name, replica string
	owner                    string
	serviceAccount           string

	policies   bool
	configMaps []string
	stateDir   string

	gatekeeper          bool
	gatekeeperNamespace string
	gatekeeperCRDs      bool

	audit         bool
	auditInterval time.Duration
	auditReports  string

	ui          bool
	uiListen    string
	uiAdvertise string

	register      bool
	webhookURL    string
	failurePolicy string
	mutateTime    time.Duration
	validateTime  time.Duration
	conditions    []string
	annotations   []string
}

func (f *memberFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` of the cluster to work with; policies may then read its Namespaces")
	flags.BoolVar(&f.inCluster, "in-cluster", false, "work with the cluster this runs in, as the service account of its Pod, instead of --kubeconfig")
	flags.StringVar(&f.namespace, "namespace", "", "`NAME` of the namespace of the release; by default $POD_NAMESPACE, or that of the service account")
	flags.StringVar(&f.name, "name", "portcullis", "`NAME` of the release: its Service, Leases, Secrets and webhook configurations")
	flags.StringVar(&f.replica, "replica", "", "`NAME` of this server among the replicas of the release; by default $POD_NAME, or the machine's name")
	flags.StringVar(&f.owner, "owner", "", "`NAME` of the ClusterRole with which vanishes what is made in the cluster; by default that of the release's name, if there is one")
	flags.StringVar(&f.serviceAccount, "service-account", "", "`NAME` of the service account of the release's namespace this server runs as, whose requests are not judged; by default that of the release's name")
	flags.BoolVar(&f.policies, "cluster-policies", false, "take policies from the cluster, too: Policy and PolicyException objects, and labelled ConfigMaps of the release's namespace")
	flags.StringArrayVar(&f.configMaps, "policy-configmaps", nil, "`NAMESPACE` whose labelled ConfigMaps are policies, too; whoever may write them there writes policy; may be repeated")
	flags.BoolVar(&f.gatekeeper, "gatekeeper", false, "take Gatekeeper's objects from the cluster, too: ConstraintTemplates, constraints, mutators and what goes with them; and make the CRDs of constraints")
	flags.StringVar(&f.gatekeeperNamespace, "gatekeeper-namespace", gatekeeperNamespace, "`NAME` of the namespace whose Config of Gatekeeper's counts, beside that of the release's namespace")
	flags.BoolVar(&f.gatekeeperCRDs, "gatekeeper-crds", false, "define those of Gatekeeper's kinds that the cluster does not have; definitions that are there are left as they are")
	flags.StringVar(&f.stateDir, "state-dir", "", "`DIR` to keep policies, namespaces and the certificate in, so that a server that is started while the cluster does not answer has them")
	flags.BoolVar(&f.audit, "audit", false, "judge what is in the cluster already, too, by the policies in force, and again as it changes; needs list and watch for what they are about")
	flags.DurationVar(&f.auditInterval, "audit-interval", time.Hour, "after how long everything is judged again although nothing has changed, from 1m")
	flags.StringVar(&f.auditReports, "audit-reports", string(reports.Auto), "`KIND` of reports to keep in the cluster of what the audit finds: openreports, wgpolicy, auto for the first of them that the cluster serves, or none")
	flags.BoolVar(&f.ui, "ui", false, "serve pages about what the audit found, how the server fares and which policies there are; whoever looks signs in with a token of the cluster")
	flags.StringVar(&f.uiListen, "ui-listen", "127.0.0.1:10443", "`ADDRESS` for the pages, over HTTPS with the server's certificate")
	flags.StringVar(&f.uiAdvertise, "ui-advertise", "", "`ADDRESS`, HOST:PORT or an IP address with the port of --ui-listen, at which the other replicas reach the pages of this one, so that theirs show what it knows, too; by default they do not")
	flags.BoolVar(&f.register, "register", false, "keep the webhook configurations in the cluster as the policies in force want them")
	flags.StringVar(&f.webhookURL, "webhook-url", "", "`URL` by which the API server calls, https://HOST:PORT, instead of the release's Service")
	flags.StringVar(&f.failurePolicy, "webhook-failure-policy", "", "Ignore lets everything pass while nobody answers; by default each policy's onError decides")
	flags.DurationVar(&f.mutateTime, "mutate-timeout", 0, "how long the API server waits for an answer about changes, in whole seconds up to 30s (default 2s)")
	flags.DurationVar(&f.validateTime, "validate-timeout", 0, "how long it waits for an answer about the result (default 3s)")
	flags.StringArrayVar(&f.conditions, "webhook-match-condition", nil, "`NAME=CEL` that must hold for a request to be judged; may be repeated")
	flags.StringArrayVar(&f.annotations, "webhook-annotation", nil, "`KEY=VALUE` to put on the webhook configurations; may be repeated")
}

// given reports whether there is a cluster to work with.
func (f *memberFlags) given() bool { return f.inCluster || f.kubeconfig != "" }

// check returns what is wrong with the flags taken by themselves.
func (f *memberFlags) check() error {
	for _, needs := range []struct {
		flag string
		set  bool
	}{{"--cluster-policies", f.policies}, {"--policy-configmaps", len(f.configMaps) > 0}, {"--gatekeeper", f.gatekeeper}, {"--audit", f.audit}, {"--ui", f.ui}, {"--register", f.register}, {"--state-dir", f.stateDir != ""}} {
		if needs.set && !f.given() {
			return fmt.Errorf("%s needs a cluster: add --in-cluster or --kubeconfig FILE", needs.flag)
		}
	}
	for _, needs := range []struct {
		flag string
		set  bool
	}{
		{"--service-account", f.serviceAccount != ""},
		{"--webhook-url", f.webhookURL != ""},
		{"--webhook-failure-policy", f.failurePolicy != ""},
		{"--mutate-timeout", f.mutateTime != 0},
		{"--validate-timeout", f.validateTime != 0},
		{"--webhook-match-condition", len(f.conditions) > 0},
		{"--webhook-annotation", len(f.annotations) > 0},
	} {
		if needs.set && !f.register {
			return fmt.Errorf("%s goes with --register, which keeps the webhook configurations", needs.flag)
		}
	}
	if f.uiAdvertise != "" {
		if err := replicas.CheckAddress(f.uiAddress()); err != nil {
			return fmt.Errorf("--ui-advertise: %w", err)
		}
	}
	switch {
	case f.uiAdvertise != "" && !f.ui:
		return errors.New("--ui-advertise goes with --ui, which serves the pages")
	case len(validation.IsDNS1123Label(f.name)) > 0:
		return fmt.Errorf("--name %q cannot be the name of a Service: lower case letters, digits and dashes", f.name)
	case f.namespace != "" && len(validation.IsDNS1123Label(f.namespace)) > 0:
		return fmt.Errorf("--namespace %q is not the name of a namespace: lower case letters, digits and dashes", f.namespace)
	case f.serviceAccount != "" && len(validation.IsDNS1123Subdomain(f.serviceAccount)) > 0:
		return fmt.Errorf("--service-account %q is not the name of a service account: lower case letters, digits, dashes and dots", f.serviceAccount)
	case f.audit && f.auditInterval < time.Minute:
		return fmt.Errorf("--audit-interval %s is less than a minute; what changes is judged at once in any case", f.auditInterval)
	case f.inCluster && f.kubeconfig != "":
		return errors.New("--in-cluster and --kubeconfig name two clusters; give one of them")
	case len(f.configMaps) > 0 && !f.policies:
		return errors.New("--policy-configmaps goes with --cluster-policies")
	case f.gatekeeperCRDs && !f.gatekeeper:
		return errors.New("--gatekeeper-crds goes with --gatekeeper")
	case f.gatekeeper && !f.policies:
		return errors.New("--gatekeeper goes with --cluster-policies")
	case f.gatekeeper && len(validation.IsDNS1123Label(f.gatekeeperNamespace)) > 0:
		return fmt.Errorf("--gatekeeper-namespace %q is not the name of a namespace: lower case letters, digits and dashes", f.gatekeeperNamespace)
	case f.failurePolicy != "" && f.failurePolicy != string(admissionregistrationv1.Ignore):
		return fmt.Errorf("--webhook-failure-policy %q can only be Ignore; to refuse what cannot be judged is each policy's own onError", f.failurePolicy)
	case f.webhookURL != "" && !strings.HasPrefix(f.webhookURL, "https://"):
		return fmt.Errorf("--webhook-url %q does not begin with https://, and the API server calls nothing else", f.webhookURL)
	case !slices.Contains(reports.Choices(), reports.Choice(f.auditReports)):
		return fmt.Errorf("--audit-reports %q is none of auto, openreports, wgpolicy and none", f.auditReports)
	}
	for _, wait := range []struct {
		flag string
		time time.Duration
	}{{"--mutate-timeout", f.mutateTime}, {"--validate-timeout", f.validateTime}} {
		if wait.time != 0 && (wait.time < time.Second || wait.time > 30*time.Second || wait.time%time.Second != 0) {
			return fmt.Errorf("%s %s is not from 1s to 30s, in whole seconds", wait.flag, wait.time)
		}
	}
	if _, err := f.matchConditions(); err != nil {
		return err
	}
	_, err := f.webhookAnnotations()
	return err
}

// complete fills in what the environment says. stored says that the certificate is kept in the release's namespace.
func (f *memberFlags) complete(stored bool) error {
	if f.namespace == "" {
		f.namespace = os.Getenv("POD_NAMESPACE")
	}
	if f.namespace == "" && f.inCluster {
		text, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
		if err != nil {
			return fmt.Errorf("the namespace of the release is not known; give --namespace: %w", err)
		}
		f.namespace = strings.TrimSpace(string(text))
	}
	if f.namespace == "" && (f.policies || f.register || stored) {
		return errors.New("the namespace of the release is not known; give --namespace")
	}
	if f.replica == "" {
		f.replica = os.Getenv("POD_NAME")
	}
	if f.replica == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("this server has no name among its replicas; give --replica: %w", err)
		}
		f.replica = strings.ToLower(host)
	}
	return nil
}

// config is how to reach the cluster.
func (f *memberFlags) config() (*rest.Config, error) {
	var config *rest.Config
	var err error
	if f.inCluster {
		if config, err = rest.InClusterConfig(); err != nil {
			return nil, fmt.Errorf("--in-cluster: %w", err)
		}
	} else if config, err = clientcmd.BuildConfigFromFlags("", f.kubeconfig); err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	config.UserAgent = "portcullis/" + strings.Fields(version())[0] // a product's version is one word
	// Watches carry nearly all there is; the rest is bounded so that a fault of ours is not an attack on the API server.
	config.QPS, config.Burst = 20, 40
	return config, nil
}

// uiAddress is where the other replicas reach the pages; empty if they do not.
func (f *memberFlags) uiAddress() string {
	_, port, err := net.SplitHostPort(f.uiListen)
	if _, wrong := netip.ParseAddr(f.uiAdvertise); wrong != nil || err != nil {
		return f.uiAdvertise
	}
	return net.JoinHostPort(f.uiAdvertise, port)
}

// spared are the namespaces in which admission is never judged.
func (f *memberFlags) spared(given []string) []string {
	out := slices.Clone(given)
	if f.register {
		out = append(out, f.namespace, "kube-system", "kube-node-lease", "kube-public")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// registration says how the webhooks are registered.
func (f *memberFlags) registration(exempt []string) (registration.Options, error) {
	conditions, err := f.matchConditions()
	if err != nil {
		return registration.Options{}, err
	}
	annotations, err := f.webhookAnnotations()
	if err != nil {
		return registration.Options{}, err
	}
	return registration.Options{
		Name: f.name, Namespace: f.namespace, ServiceAccount: f.serviceAccount, URL: strings.TrimRight(f.webhookURL, "/"),
		ExemptNamespaces: exempt, Conditions: conditions, Annotations: annotations, Gatekeeper: f.gatekeeper,
		MutateSeconds: seconds(f.mutateTime), ValidateSeconds: seconds(f.validateTime),
		Labels: map[string]string{"app.kubernetes.io/name": "portcullis", "app.kubernetes.io/instance": f.name},
	}, nil
}

// seconds is a time that check has found to be thirty at most.
func seconds(d time.Duration) int32 { return int32(min(d, 30*time.Second) / time.Second) } //nolint:gosec // thirty at most

func (f *memberFlags) matchConditions() ([]admissionregistrationv1.MatchCondition, error) {
	var out []admissionregistrationv1.MatchCondition
	for _, text := range f.conditions {
		name, expression, ok := strings.Cut(text, "=")
		if !ok || name == "" || expression == "" {
			return nil, fmt.Errorf("--webhook-match-condition %q is not NAME=CEL", text)
		}
		out = append(out, admissionregistrationv1.MatchCondition{Name: name, Expression: expression})
	}
	return out, nil
}

func (f *memberFlags) webhookAnnotations() (map[string]string, error) {
	out := map[string]string{}
	for _, text := range f.annotations {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--webhook-annotation %q is not KEY=VALUE", text)
		}
		out[key] = value
	}
	return out, nil
}
