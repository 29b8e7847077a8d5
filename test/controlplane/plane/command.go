package plane

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// UsageError is a mistake in the command line, as opposed to a control plane that failed.
type UsageError struct{ error }

// Unwrap makes the cause visible to errors.Is and errors.As.
func (e UsageError) Unwrap() error { return e.error }

// Command is "controlplane up". Its context's end stops the control plane.
func Command() *cobra.Command {
	o := Options{}
	var users []string
	cmd := &cobra.Command{
		Use: "up --dir DIR",
		// This binary dispatches by itself, so cobra does not know what stands before "up".
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "controlplane up"},
		Short:       "Start a control plane on 127.0.0.1 and keep it until Ctrl-C",
		Long: `Starts etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1 and waits until they are ready.

Each step is told on standard error. When all are ready, one line of JSON goes to standard output:
{"kubeconfig":"DIR/kubeconfig","server":"https://127.0.0.1:PORT","ready":true}
Then it runs until Ctrl-C or SIGTERM; a second Ctrl-C ends everything at once. However it ends, no process stays behind.

In DIR are then the admin's kubeconfig, one kubeconfig for each --user, and logs. The data stays when the control plane is stopped and is
found again by the next start with the same directory; remove the directory to begin anew. There is no kubelet: Pods stay Pending.`,
		Example: `  # a control plane with one user who may do nothing yet
  controlplane up --dir /tmp/plane --user alice=developers

  # in another terminal
  controlplane kubectl --kubeconfig /tmp/plane/kubeconfig get namespaces

  # with a webhook as one of the authorizers
  controlplane up --dir /tmp/plane --authorization-config authorization.yaml --apiserver-arg --v=2`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return UsageError{err}
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range users {
				u, err := ParseUser(s)
				if err != nil {
					return UsageError{err}
				}
				o.Users = append(o.Users, u)
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			if err := Follow(cancel); err != nil {
				return UsageError{err}
			}
			return Up(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{err} })

	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.Dir, "dir", "", "directory for keys, kubeconfigs, logs and data; it is made if it is missing")
	f.IntVar(&o.Port, "port", 0, "port of the API server on 127.0.0.1; 0 takes a free one")
	f.DurationVar(&o.Timeout, "timeout", time.Minute, "how long the whole start may take")
	f.StringArrayVar(&users, "user", nil, "user to create, as name=group1,group2; the kubeconfig is DIR/name.kubeconfig; repeatable")
	f.BoolVar(&o.ControllerManager, "controller-manager", true, "start kube-controller-manager; without it the admission plugin ServiceAccount is off")
	f.StringVar(&o.AuthorizationConfig, "authorization-config", "", "AuthorizationConfiguration `file`, in place of --authorization-mode=Node,RBAC")
	f.StringVar(&o.TokenWebhookConfig, "authentication-token-webhook-config", "", "kubeconfig `file` for the token webhook")
	f.StringVar(&o.TokenWebhookVersion, "authentication-token-webhook-version", "v1", "TokenReview `version` sent to the token webhook: v1 or v1beta1")
	f.DurationVar(&o.TokenWebhookCacheTTL, "authentication-token-webhook-cache-ttl", 0, "how long answers of the token webhook are kept; 0 leaves the API server's default of 2m")
	f.StringVar(&o.AdmissionConfig, "admission-config", "", "AdmissionConfiguration `file`")
	f.StringSliceVar(&o.AdmissionPlugins, "enable-admission-plugins", nil, "admission `plugins` to enable beside the default ones, separated by commas")
	f.StringVar(&o.AuditPolicy, "audit-policy", "", "audit policy `file`; events then go to DIR/logs/audit.log")
	f.StringVar(&o.AuditWebhookConfig, "audit-webhook-config", "", "kubeconfig `file` for the audit webhook; needs --audit-policy")
	f.StringArrayVar(&o.APIServerArgs, "apiserver-arg", nil, "any other `argument` of kube-apiserver, as --apiserver-arg --v=4; repeatable")
	return cmd
}
