package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/portcullis-dev/portcullis/webhook/controlplane"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// nodeDir is where kubeadm's control planes keep their configuration, and so where the files are put if nobody says otherwise.
const nodeDir = "/etc/kubernetes/portcullis"

// setupFlags are what setup was told.
type setupFlags struct {
	policies   policyFlags
	url        string
	caFile     string
	clientCert string
	clientKey  string
	callouts   []string
	exempt     []string
	namespace  string
	name       string
	unasked    []string
	guardFails bool
	imageFails bool
	dir        string
	nodeDir    string
}

func newSetup() *cobra.Command {
	var flags setupFlags
	cmd := &cobra.Command{
		Use:   "setup --url URL",
		Short: "Prints the files by which an API server calls Portcullis",
		Long: `Prints the files that an API server reads when it starts: an AuthorizationConfiguration with the guard before RBAC and the grant after
it, kubeconfigs for the token and image webhooks, an AdmissionConfiguration, and the admission webhooks as static manifests, which
nobody can change through the API; and what kube-apiserver, kubeadm, kind and k3s must be told to find them. What a cluster needs
to come up is left out of the authorizers and of the admission webhooks, Portcullis' own service account and namespace included. The
image webhook can leave out nothing, and admits what it cannot be asked about unless told otherwise. docs/serving.md goes through
the files.`,
		Example: `  portcullis setup --url https://127.0.0.1:8443 --ca-file ca.crt --policies ./policies --dir ./portcullis
  portcullis setup --url https://127.0.0.1:8443 --ca-file ca.crt --callouts guard,grant`,
		Args: noArguments("--url"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.url, "url", "", "`URL` at which the API server reaches Portcullis, such as https://127.0.0.1:8443")
	f.StringVar(&flags.caFile, "ca-file", "", "`FILE` of the authority to trust for it; without, those of the API server's machine")
	f.StringVar(&flags.clientCert, "client-cert", "", "`FILE` of the certificate by which the API server proves that it is the API server")
	f.StringVar(&flags.clientKey, "client-key", "", "`FILE` of the key of that certificate")
	flags.policies.register(f)
	f.Lookup("policies").Usage = "`PATH` of policies, or library:NAME, that say what the admission webhooks are asked about, and what of it is refused when they cannot be; without, they are asked about everything, and it is admitted; may be repeated"
	f.StringSliceVar(&flags.callouts, "callouts", nil, "`NAMES` of those to set up: "+strings.Join(calloutNames(), ", ")+"; without, all but events, for which the API server has one audit policy and one audit webhook")
	f.StringArrayVar(&flags.exempt, "exempt-namespace", nil, "`NAME` of a namespace that admission webhooks are not asked about; may be repeated")
	f.StringVar(&flags.namespace, "namespace", defaultNamespace, "`NAME` of the namespace that Portcullis is in, which they are not asked about either")
	f.StringVar(&flags.name, "name", defaultName, "`NAME` of the release and of its service account, which guard and grant are not asked about")
	f.StringArrayVar(&flags.unasked, "unasked-user", nil, "`NAME` of another user whom they are not asked about, such as that of a Portcullis outside of the cluster; may be repeated")
	f.BoolVar(&flags.guardFails, "guard-fails", false, "refuse what the guard cannot be asked about: nobody but system:masters and those left out gets anything while no Portcullis answers; without, the next authorizer decides")
	f.BoolVar(&flags.imageFails, "image-fails", false, "refuse Pods whose images cannot be asked about: none of any namespace is made while no Portcullis answers, so it must run where no API server admits it; without, they are admitted")
	f.StringVar(&flags.dir, "dir", "", "`DIR` to write the files into, instead of printing them")
	f.StringVar(&flags.nodeDir, "node-dir", nodeDir, "`DIR` in which the API server will find the files")
	return cmd
}

// calloutNames are what --callouts takes: the paths without what is the same in all.
func calloutNames() []string {
	var out []string
	for _, callout := range known() {
		out = append(out, calloutName(callout))
	}
	return out
}

// known are the callouts that can be set up, and the audit log's events last, which are only when they are asked for.
func known() []string { return append(controlplane.All(), controlplane.Events) }

func calloutName(callout string) string { return callout[strings.LastIndex(callout, "/")+1:] }

func (f *setupFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	options, err := f.options(ctx)
	if err != nil {
		return err
	}
	files, flags, err := controlplane.Files(options)
	if err != nil {
		return err
	}
	onHost := f.nodeDir
	if f.dir != "" {
		if onHost, err = filepath.Abs(f.dir); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
	}
	told, err := controlplane.Distributions(flags, onHost, f.nodeDir)
	if err != nil {
		return err
	}
	for _, warning := range f.warnings(options) {
		fmt.Fprintln(stderr, "warning: "+warning)
	}
	files = append(files, told...)
	if f.dir == "" {
		return printFiles(stdout, files)
	}
	for _, file := range files {
		at := filepath.Join(f.dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
		if err := os.WriteFile(at, file.Text, 0o600); err != nil { // may hold a private key
			return fmt.Errorf("--dir: %w", err)
		}
	}
	fmt.Fprintf(stderr, "%d files are in %s; kube-apiserver needs to find them in %s, and the flags in kube-apiserver.flags\n", len(files), f.dir, f.nodeDir)
	return nil
}

// printFiles prints files as one stream of documents; a comment before each says which it is.
func printFiles(out io.Writer, files []controlplane.File) error {
	for _, file := range files {
		text := string(file.Text)
		if !strings.HasSuffix(file.Name, ".yaml") && !strings.HasSuffix(file.Name, ".kubeconfig") {
			text = "# " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n# ") + "\n" // not YAML
		}
		if _, err := fmt.Fprintf(out, "---\n# %s\n%s", file.Name, text); err != nil {
			return err
		}
	}
	return nil
}

// options reads the files the flags name.
func (f *setupFlags) options(ctx context.Context) (o controlplane.Options, err error) {
	if f.url == "" {
		return o, errors.New("--url is missing: the address at which the API server reaches Portcullis, such as https://127.0.0.1:8443")
	}
	if !filepath.IsAbs(f.nodeDir) {
		return o, fmt.Errorf("--node-dir %q is not absolute; the API server runs in a directory of its own", f.nodeDir)
	}
	o = controlplane.Options{
		URL: f.url, Dir: f.nodeDir, GuardFails: f.guardFails, ImageFails: f.imageFails, Cache: controlplane.DefaultCache(),
		Unasked: append([]string{f.serviceAccount()}, f.unasked...),
	}
	for _, file := range []struct {
		flag, name string
		into       *[]byte
	}{{"--ca-file", f.caFile, &o.CA}, {"--client-cert", f.clientCert, &o.ClientCert}, {"--client-key", f.clientKey, &o.ClientKey}} {
		if file.name == "" {
			continue
		}
		if *file.into, err = os.ReadFile(file.name); err != nil {
			return o, fmt.Errorf("%s: %w", file.flag, err)
		}
	}
	for _, name := range f.callouts {
		at := slices.Index(calloutNames(), name)
		if at < 0 {
			return o, fmt.Errorf("--callouts: %q is none of %s", name, strings.Join(calloutNames(), ", "))
		}
		o.Callouts = append(o.Callouts, known()[at])
	}
	for _, needs := range []struct {
		flag, name, callout string
		set                 bool
	}{{"--guard-fails", "guard", controlplane.Guard, f.guardFails}, {"--image-fails", "image", controlplane.Image, f.imageFails}} {
		if needs.set && o.Callouts != nil && !slices.Contains(o.Callouts, needs.callout) {
			return o, fmt.Errorf("%s goes with --callouts %s, which is not among those to set up", needs.flag, needs.name)
		}
	}
	if slices.Contains(o.Callouts, controlplane.Events) && len(o.ClientCert) == 0 {
		return o, errors.New("--callouts events goes with --client-cert FILE and --client-key FILE: a server takes events from nobody who cannot prove that it is the API server")
	}
	wanted, err := f.interests(ctx)
	if err != nil {
		return o, err
	}
	plan := registration.Plan(wanted, registration.Options{
		Name: f.name, Namespace: f.namespace, URL: strings.TrimRight(f.url, "/"), Bundle: o.CA, ExemptNamespaces: f.exempt,
	})
	// What is there to be probed, or to have policies judged before they are stored, needs a server in the cluster.
	plan.Mutating.Webhooks = slices.DeleteFunc(plan.Mutating.Webhooks, func(h admissionregistrationv1.MutatingWebhook) bool {
		return registration.IsProbe(h.Name)
	})
	plan.Validating.Webhooks = slices.DeleteFunc(plan.Validating.Webhooks, func(h admissionregistrationv1.ValidatingWebhook) bool {
		return registration.IsProbe(h.Name)
	})
	if len(plan.Mutating.Webhooks) > 0 {
		o.Mutating = plan.Mutating
	}
	if len(plan.Validating.Webhooks) > 0 {
		o.Validating = plan.Validating
	}
	return o, nil
}

// interests are those of the policies. Without policies they are in everything, and nobody has said that any of it is to be refused when no
// answer comes.
func (f *setupFlags) interests(ctx context.Context) ([]registration.Interest, error) {
	if len(f.policies.from) == 0 {
		return []registration.Interest{{Phase: registration.Mutate}, {Phase: registration.Validate}}, nil
	}
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	from, err := f.policies.source(reader)
	if err != nil {
		return nil, err
	}
	bundle, err := from.Load(ctx)
	if err != nil {
		return nil, err
	}
	if len(bundle.Faults) > 0 {
		return nil, bundle.Faults
	}
	all, err := compile(ctx, bundle, surroundings{})
	if err != nil {
		return nil, err
	}
	var out []registration.Interest
	for _, spec := range bundle.Specs {
		out = append(out, interests(spec, all.set.Parents, registration.GuessResources)...)
	}
	for _, m := range all.theirs.members() {
		out = append(out, m.interest(registration.GuessResources))
	}
	return out, nil
}
