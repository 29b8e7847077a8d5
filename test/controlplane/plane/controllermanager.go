package plane

// controllerManagerComponent runs all controllers, each under its own service account, as in a real cluster.
func controllerManagerComponent(l layout, healthz *port) component {
	return component{name: "kube-controller-manager", args: []string{
		"--kubeconfig=" + l.controllerManagerKubeconfig(),
		"--bind-address=127.0.0.1",
		"--secure-port=" + healthz.portString(),
		"--tls-cert-file=" + l.servingCert(),
		"--tls-private-key-file=" + l.servingKey(),
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + l.serviceAccountKey(),
		"--root-ca-file=" + l.caCert(),
		"--cluster-signing-cert-file=" + l.caCert(),
		"--cluster-signing-key-file=" + l.caKey(),
		// Nobody shares this API server with the controllers, and a test waits for what they do.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}}
}
