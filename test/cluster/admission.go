package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// admission configures the admission plugins: the image callout, and how the API server proves itself to the admission webhooks. Without
// any of these there is no plugin in it.
func (c Callouts) admission(w *writer) apiserverv1.AdmissionConfiguration {
	config := apiserverv1.AdmissionConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "AdmissionConfiguration"},
	}
	add := func(plugin string, configuration map[string]any) {
		raw, err := json.Marshal(configuration)
		if err != nil && w.err == nil {
			w.err = fmt.Errorf("encode the configuration of %s: %w", plugin, err)
		}
		config.Plugins = append(config.Plugins, apiserverv1.AdmissionPluginConfiguration{
			Name: plugin, Configuration: &runtime.Unknown{Raw: raw},
		})
	}
	if c.has(Image) {
		add("ImagePolicyWebhook", map[string]any{"imagePolicy": map[string]any{
			"kubeConfigFile": w.kubeconfig(c, Image),
			"allowTTL":       1, // seconds, the least there is
			"denyTTL":        1,
			"retryBackoff":   100, // milliseconds
			"defaultAllow":   false,
		}})
	}
	kubeconfig := ""
	if len(c.ClientCert) > 0 && (c.has(Mutate) || c.has(Validate)) {
		kubeconfig = w.admissionKubeconfig(c)
	}
	webhooks := func(plugin, manifests string) {
		if kubeconfig == "" && manifests == "" {
			return
		}
		configuration := map[string]any{
			"apiVersion":     apiserverv1.SchemeGroupVersion.String(),
			"kind":           "WebhookAdmissionConfiguration",
			"kubeConfigFile": kubeconfig,
		}
		if manifests != "" {
			configuration["staticManifestsDir"] = manifests
		}
		add(plugin, configuration)
	}
	webhooks("MutatingAdmissionWebhook", c.StaticMutatingDir)
	webhooks("ValidatingAdmissionWebhook", c.StaticValidatingDir)
	return config
}

// admissionKubeconfig holds nothing but credentials. They are found by the name of the user, which is the webhook server's host and port:
// other webhooks in the cluster must not see them.
func (w *writer) admissionKubeconfig(c Callouts) string {
	config := clientcmdapi.NewConfig()
	u, err := url.Parse(c.URL)
	if err == nil {
		port := u.Port()
		if port == "" {
			port = "443"
		}
		config.AuthInfos[net.JoinHostPort(u.Hostname(), port)] = c.credentials()
	}
	var data []byte
	if err == nil {
		data, err = clientcmd.Write(*config)
	}
	return w.file("admission.kubeconfig", data, err)
}
