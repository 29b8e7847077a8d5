package plane

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAPIServerArguments(t *testing.T) {
	serving, etcd := &port{number: 6443}, &port{number: 2379}
	for name, tc := range map[string]struct {
		options Options
		want    []string
		without []string // prefixes no argument may have
	}{
		"plain": {
			options: Options{ControllerManager: true},
			want: []string{
				"--secure-port=6443", "--etcd-servers=http://127.0.0.1:2379", "--authorization-mode=Node,RBAC",
				"--token-auth-file=/d/private/tokens.csv", "--bind-address=127.0.0.1",
			},
			without: []string{
				"--authorization-config", "--authentication-token-webhook", "--admission-control", "--enable-admission", "--disable-admission",
				"--audit",
			},
		},
		"authorization file replaces the mode": {
			options: Options{ControllerManager: true, AuthorizationConfig: "a.yaml"},
			want:    []string{"--authorization-config=a.yaml"},
			without: []string{"--authorization-mode"},
		},
		"token webhook speaks v1 unless told otherwise": {
			options: Options{TokenWebhookConfig: "t.yaml"},
			want:    []string{"--authentication-token-webhook-config-file=t.yaml", "--authentication-token-webhook-version=v1"},
			without: []string{"--authentication-token-webhook-cache-ttl"},
		},
		"token webhook as told": {
			options: Options{TokenWebhookConfig: "t.yaml", TokenWebhookVersion: "v1beta1", TokenWebhookCacheTTL: time.Second},
			want:    []string{"--authentication-token-webhook-version=v1beta1", "--authentication-token-webhook-cache-ttl=1s"},
		},
		"admission": {
			options: Options{AdmissionConfig: "a.yaml", AdmissionPlugins: []string{"ImagePolicyWebhook", "NodeRestriction"}},
			want: []string{
				"--admission-control-config-file=a.yaml", "--enable-admission-plugins=ImagePolicyWebhook,NodeRestriction",
				"--disable-admission-plugins=ServiceAccount",
			},
		},
		"audit": {
			options: Options{AuditPolicy: "p.yaml", AuditWebhookConfig: "w.yaml"},
			want:    []string{"--audit-policy-file=p.yaml", "--audit-log-path=/d/logs/audit.log", "--audit-webhook-config-file=w.yaml"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := apiServerComponent(tc.options, "/d", serving, etcd).args
			for _, want := range tc.want {
				if !slices.Contains(args, want) {
					t.Errorf("%s is missing in %q", want, args)
				}
			}
			for _, prefix := range tc.without {
				if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, prefix) }); i >= 0 {
					t.Errorf("%s should not be there", args[i])
				}
			}
		})
	}
}

func TestAPIServerArgsOfTheUserComeLast(t *testing.T) {
	args := apiServerComponent(Options{APIServerArgs: []string{"--v=4", "--v=5"}}, "/d", &port{}, &port{}).args
	if got := args[len(args)-2:]; !slices.Equal(got, []string{"--v=4", "--v=5"}) {
		t.Errorf("the last arguments are %q", got)
	}
}
