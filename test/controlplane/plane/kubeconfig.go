package plane

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig with which one user reaches the API server. It names no other file, so it can be moved anywhere.
func writeKubeconfig(path, server string, ca []byte, a account) error {
	const cluster = "controlplane"
	config := api.NewConfig()
	config.Clusters[cluster] = &api.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[a.Name] = &api.AuthInfo{Token: a.token}
	config.Contexts[a.Name+"@"+cluster] = &api.Context{Cluster: cluster, AuthInfo: a.Name}
	config.CurrentContext = a.Name + "@" + cluster
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode the kubeconfig of %s: %w", a.Name, err)
	}
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", a.Name, err)
	}
	return nil
}

// writeKubeconfigs writes one for each user and, last, because programs wait for it, the admin's.
func writeKubeconfigs(l layout, server string, users []User, accounts map[string]account) error {
	ca, err := readCA(l)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := writeKubeconfig(l.userKubeconfig(u.Name), server, ca, accounts[u.Name]); err != nil {
			return err
		}
	}
	return writeKubeconfig(l.kubeconfig(), server, ca, accounts[adminUser])
}

func readCA(l layout) ([]byte, error) {
	ca, err := os.ReadFile(l.caCert())
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	return ca, nil
}
