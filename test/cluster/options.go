package cluster

import (
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/webhook/controlplane"
)

// Options says what kind of control plane to start. The zero value of everything but Dir is a plain one.
type Options struct {
	// Dir holds the control plane's keys, kubeconfigs, logs and data. It is made if it is missing; a start with the same directory finds
	// the data of the one before.
	Dir string
	// Binary is the path of the control plane's binary; see Start for where it is looked for otherwise.
	Binary string
	// Port is the port of the API server on 127.0.0.1; zero takes a free one.
	Port int
	// Timeout bounds the start; zero means a minute.
	Timeout time.Duration

	// AuthorizationConfig is an AuthorizationConfiguration file; without it the API server runs with Node,RBAC.
	AuthorizationConfig string
	// TokenWebhookConfig is a kubeconfig for the token webhook. The version is v1 unless TokenWebhookVersion says v1beta1, and answers
	// are kept for two minutes unless TokenWebhookCacheTTL is set.
	TokenWebhookConfig   string
	TokenWebhookVersion  string
	TokenWebhookCacheTTL time.Duration
	// AdmissionConfig is an AdmissionConfiguration file, AdmissionPlugins are enabled beside the default ones.
	AdmissionConfig  string
	AdmissionPlugins []string
	// AuditPolicy is an audit policy file, AuditWebhookConfig a kubeconfig for the audit webhook. With a policy there is also a log.
	AuditPolicy        string
	AuditWebhookConfig string
	// Users get a kubeconfig each; the values are their groups.
	Users map[string][]string
	// ExtraArgs are passed to kube-apiserver as they are.
	ExtraArgs []string
	// NoControllerManager leaves out kube-controller-manager: faster, but Deployments then make no Pods and nothing is collected.
	NoControllerManager bool

	// Progress receives one line for each step of the start; nil discards them.
	Progress io.Writer
}

// Take sets what flags of kube-apiserver, as "portcullis setup" prints them, stand for.
func (o *Options) Take(flags []controlplane.Flag) (err error) {
	for _, flag := range flags {
		switch flag.Name {
		case "authorization-config":
			o.AuthorizationConfig = flag.Value
		case "authentication-token-webhook-config-file":
			o.TokenWebhookConfig = flag.Value
		case "authentication-token-webhook-version":
			o.TokenWebhookVersion = flag.Value
		case "authentication-token-webhook-cache-ttl":
			o.TokenWebhookCacheTTL, err = time.ParseDuration(flag.Value)
		case "admission-control-config-file":
			o.AdmissionConfig = flag.Value
		case "audit-policy-file":
			o.AuditPolicy = flag.Value
		case "audit-webhook-config-file":
			o.AuditWebhookConfig = flag.Value
		case "enable-admission-plugins":
			o.AdmissionPlugins = strings.Split(flag.Value, ",")
		default:
			o.ExtraArgs = append(o.ExtraArgs, "--"+flag.Name+"="+flag.Value)
		}
	}
	return err
}

// TakeFile takes the flags that a file has, each in a line of its own, as "portcullis setup" writes kube-apiserver.flags.
func (o *Options) TakeFile(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var flags []controlplane.Flag
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "--"), "=")
		flags = append(flags, controlplane.Flag{Name: name, Value: value})
	}
	return o.Take(flags)
}

// arguments translates the options into the command line of "controlplane up".
func (o Options) arguments() ([]string, error) {
	if o.Dir == "" {
		return nil, errors.New("the directory of the control plane is not set")
	}
	args := []string{"up", "--dir", o.Dir}
	text := func(flag, value string) {
		if value != "" {
			args = append(args, flag+"="+value)
		}
	}
	duration := func(flag string, value time.Duration) {
		if value != 0 {
			args = append(args, flag+"="+value.String())
		}
	}
	if o.Port != 0 {
		args = append(args, "--port="+strconv.Itoa(o.Port))
	}
	duration("--timeout", o.Timeout)
	text("--authorization-config", o.AuthorizationConfig)
	text("--authentication-token-webhook-config", o.TokenWebhookConfig)
	text("--authentication-token-webhook-version", o.TokenWebhookVersion)
	duration("--authentication-token-webhook-cache-ttl", o.TokenWebhookCacheTTL)
	text("--admission-config", o.AdmissionConfig)
	text("--enable-admission-plugins", strings.Join(o.AdmissionPlugins, ","))
	text("--audit-policy", o.AuditPolicy)
	text("--audit-webhook-config", o.AuditWebhookConfig)
	if o.NoControllerManager {
		args = append(args, "--controller-manager=false")
	}
	for _, user := range slices.Sorted(maps.Keys(o.Users)) {
		args = append(args, "--user="+user+"="+strings.Join(o.Users[user], ","))
	}
	for _, arg := range o.ExtraArgs {
		args = append(args, "--apiserver-arg="+arg)
	}
	return args, nil
}
