package contract

import (
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig is the file by which an API server is told of a token or access webhook, read by its own code.
func (s *server) kubeconfig(t testing.TB, path string) *rest.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(clientcmdapi.Config{
		CurrentContext: "webhook",
		Contexts:       map[string]*clientcmdapi.Context{"webhook": {Cluster: "portcullis", AuthInfo: "api-server"}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"api-server": {}},
		Clusters: map[string]*clientcmdapi.Cluster{"portcullis": {
			Server: "https://" + s.address + path, CertificateAuthorityData: s.ca,
		}},
	}, file))
	config, err := webhookutil.LoadKubeconfig(file, nil)
	must(t, err)
	return config
}

// once has a call made once and no more. That an answer asks to be repeated is another matter, which the client sees to by itself.
var once = wait.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 1}

// versions are those of TokenReview and SubjectAccessReview; the second is what an API server sends unless it is told otherwise.
var versions = []string{"v1", "v1beta1"}
