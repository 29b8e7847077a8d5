package controlplane

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// File is one file; Name is its path within Options.Dir. It may hold a private key.
type File struct {
	Name string
	Text []byte
}

// Flag is one of kube-apiserver's flags.
type Flag struct{ Name, Value string }

// The names of the files.
const (
	AuthorizationFile    = "authorization.yaml"
	AdmissionFile        = "admission.yaml"
	admissionCredentials = "admission.kubeconfig"
)

// kubeconfigName names the kubeconfig of a callout after its path.
func kubeconfigName(callout string) string {
	return strings.ReplaceAll(strings.TrimPrefix(callout, "/"), "/", "-") + ".kubeconfig"
}

// Files returns every file, in a fixed order, and the flags by which the API server finds them.
func Files(o Options) ([]File, []Flag, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	var files []File
	var flags []Flag
	var errs []error
	add := func(name string, text []byte, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("write %s: %w", name, err))
			return
		}
		files = append(files, File{name, text})
	}
	flag := func(name, value string) { flags = append(flags, Flag{name, value}) }

	for _, callout := range []string{Authenticate, Guard, Grant, Image} {
		if o.has(callout) {
			text, err := Kubeconfig(o, callout)
			add(kubeconfigName(callout), text, err)
		}
	}
	if o.has(Authenticate) {
		flag("authentication-token-webhook-config-file", o.at(kubeconfigName(Authenticate)))
		flag("authentication-token-webhook-version", "v1") // the default is v1beta1
		flag("authentication-token-webhook-cache-ttl", max(o.Cache.Token, time.Second).String())
	}
	if o.has(Guard) || o.has(Grant) {
		text, err := yaml.Marshal(o.authorization())
		add(AuthorizationFile, text, err)
		flag("authorization-config", o.at(AuthorizationFile))
	}
	if o.credentials() != nil && (o.has(Mutate) || o.has(Validate)) {
		text, err := o.admissionKubeconfig()
		add(admissionCredentials, text, err)
	}
	static, err := o.staticFiles()
	files, errs = append(files, static...), append(errs, err)
	if config, err := o.admission(); err != nil || len(config.Plugins) > 0 {
		text, marshalErr := yaml.Marshal(config)
		add(AdmissionFile, text, errors.Join(err, marshalErr))
		flag("admission-control-config-file", o.at(AdmissionFile))
	}
	if o.has(Image) {
		flag("enable-admission-plugins", "ImagePolicyWebhook")
	}
	if slices.Contains(o.Callouts, Events) {
		text, err := yaml.Marshal(o.auditPolicy())
		add(AuditPolicyFile, text, err)
		text, err = Kubeconfig(o, Events)
		add(kubeconfigName(Events), text, err)
		flag("audit-policy-file", o.at(AuditPolicyFile))
		flag("audit-webhook-config-file", o.at(kubeconfigName(Events)))
		flag("audit-webhook-batch-max-wait", auditWait)
	}
	return files, flags, errors.Join(errs...)
}

// Kubeconfig makes one for calls to one path of the server. The API server posts to exactly the address it finds there.
func Kubeconfig(o Options, callout string) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["portcullis"] = &clientcmdapi.Cluster{Server: o.address(callout), CertificateAuthorityData: o.CA}
	user := o.credentials()
	if user == nil {
		user = &clientcmdapi.AuthInfo{}
	}
	config.AuthInfos["kube-apiserver"] = user
	config.Contexts["portcullis"] = &clientcmdapi.Context{Cluster: "portcullis", AuthInfo: "kube-apiserver"}
	config.CurrentContext = "portcullis"
	return clientcmd.Write(*config)
}

// credentials are what the API server shows to the webhook server, nil if nothing.
func (o Options) credentials() *clientcmdapi.AuthInfo {
	if len(o.ClientCert) == 0 {
		return nil
	}
	return &clientcmdapi.AuthInfo{ClientCertificateData: o.ClientCert, ClientKeyData: o.ClientKey}
}

func plugin(name string, configuration []byte) apiserverv1.AdmissionPluginConfiguration {
	return apiserverv1.AdmissionPluginConfiguration{Name: name, Configuration: &runtime.Unknown{Raw: configuration}}
}
