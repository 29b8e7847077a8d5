package plane

import "strings"

const (
	serviceRange = "10.0.0.0/24"
	serviceIP    = "10.0.0.1" // the first of the range: the Service kubernetes
)

// apiServerComponent translates the options into flags of kube-apiserver.
func apiServerComponent(o Options, l layout, serving, etcd *port) component {
	args := []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + serving.portString(),
		// Otherwise it asks the machine for its outward address and does not start where there is none. Nobody looks for the API server
		// in the Endpoints of the Service kubernetes, which may not be loopback addresses.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--etcd-servers=http://" + etcd.address(),
		"--tls-cert-file=" + l.servingCert(),
		"--tls-private-key-file=" + l.servingKey(),
		"--client-ca-file=" + l.caCert(),
		"--token-auth-file=" + l.tokens(),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + l.serviceAccountKey(),
		"--service-account-signing-key-file=" + l.serviceAccountKey(),
		"--service-cluster-ip-range=" + serviceRange,
		"--allow-privileged=true",
	}
	if o.AuthorizationConfig != "" {
		args = append(args, "--authorization-config="+o.AuthorizationConfig)
	} else {
		args = append(args, "--authorization-mode=Node,RBAC")
	}
	if o.TokenWebhookConfig != "" {
		args = append(args, "--authentication-token-webhook-config-file="+o.TokenWebhookConfig)
		// The API server's own default is still v1beta1.
		version := o.TokenWebhookVersion
		if version == "" {
			version = "v1"
		}
		args = append(args, "--authentication-token-webhook-version="+version)
		if o.TokenWebhookCacheTTL > 0 {
			args = append(args, "--authentication-token-webhook-cache-ttl="+o.TokenWebhookCacheTTL.String())
		}
	}
	if o.AdmissionConfig != "" {
		args = append(args, "--admission-control-config-file="+o.AdmissionConfig)
	}
	if len(o.AdmissionPlugins) > 0 {
		args = append(args, "--enable-admission-plugins="+strings.Join(o.AdmissionPlugins, ","))
	}
	if !o.ControllerManager {
		// It would refuse every Pod: nobody makes the ServiceAccount "default" of a namespace.
		args = append(args, "--disable-admission-plugins=ServiceAccount")
	}
	if o.AuditPolicy != "" {
		args = append(args, "--audit-policy-file="+o.AuditPolicy, "--audit-log-path="+l.auditLog())
		if o.AuditWebhookConfig != "" {
			args = append(args, "--audit-webhook-config-file="+o.AuditWebhookConfig)
		}
	}
	return component{name: "kube-apiserver", args: append(args, o.APIServerArgs...)}
}
