package controlplane

import (
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// staticName is what a configuration that is read from a file is called; the API server wants this ending, which no object may have.
const staticName = "portcullis.static.k8s.io"

// The directories of the configurations that are read from files, one for each kind: the API server refuses the other.
const (
	staticMutating   = "static-mutating"
	staticValidating = "static-validating"
)

// admission configures the admission plugins: the image callout, and how the API server proves itself to the admission webhooks. Without
// any of these there is no plugin in it.
func (o Options) admission() (config apiserverv1.AdmissionConfiguration, err error) {
	config.TypeMeta = metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "AdmissionConfiguration"}
	add := func(name string, configuration map[string]any) {
		var raw []byte
		if raw, err = json.Marshal(configuration); err == nil {
			config.Plugins = append(config.Plugins, plugin(name, raw))
		}
	}
	if o.has(Image) {
		kept := int(max(o.Cache.Image, time.Second).Seconds())
		add("ImagePolicyWebhook", map[string]any{"imagePolicy": map[string]any{
			"kubeConfigFile": o.at(kubeconfigName(Image)),
			"allowTTL":       kept,
			"denyTTL":        kept,
			"retryBackoff":   100, // milliseconds
			"defaultAllow":   !o.ImageFails,
		}})
	}
	kubeconfig := ""
	if o.credentials() != nil {
		kubeconfig = o.at(admissionCredentials)
	}
	webhooks := func(name, manifests string) {
		if (kubeconfig == "" || !o.has(Mutate) && !o.has(Validate)) && manifests == "" {
			return
		}
		configuration := map[string]any{
			"apiVersion": apiserverv1.SchemeGroupVersion.String(), "kind": "WebhookAdmissionConfiguration", "kubeConfigFile": kubeconfig,
		}
		if manifests != "" {
			configuration["staticManifestsDir"] = manifests
		}
		add(name, configuration)
	}
	mutating, validating := o.StaticMutatingDir, o.StaticValidatingDir
	if o.Mutating != nil && o.has(Mutate) {
		mutating = o.at(staticMutating)
	}
	if o.Validating != nil && o.has(Validate) {
		validating = o.at(staticValidating)
	}
	webhooks("MutatingAdmissionWebhook", mutating)
	webhooks("ValidatingAdmissionWebhook", validating)
	return config, err
}

// admissionKubeconfig holds nothing but credentials. They are found by the name of the user, which is the webhook server's host and port:
// other webhooks in the cluster must not see them.
func (o Options) admissionKubeconfig() ([]byte, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	config := clientcmdapi.NewConfig()
	config.AuthInfos[net.JoinHostPort(u.Hostname(), port)] = o.credentials()
	return clientcmd.Write(*config)
}

// staticFiles are the webhook configurations that are read from files.
func (o Options) staticFiles() (files []File, err error) {
	add := func(dir string, configuration any) {
		text, marshalErr := yaml.Marshal(configuration)
		files, err = append(files, File{dir + "/portcullis.yaml", text}), errors.Join(err, marshalErr)
	}
	if o.Mutating != nil && o.has(Mutate) {
		c := o.Mutating.DeepCopy()
		c.Name = staticName
		add(staticMutating, c)
	}
	if o.Validating != nil && o.has(Validate) {
		c := o.Validating.DeepCopy()
		c.Name = staticName
		add(staticValidating, c)
	}
	return files, err
}
