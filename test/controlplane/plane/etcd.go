package plane

// etcd runs without fsync: what a power cut would lose is a test's data.
func etcdComponent(l layout, client, peer *port) component {
	return component{name: "etcd", args: []string{
		"--data-dir=" + l.etcdData(),
		"--listen-client-url=http://" + client.address(),
		"--listen-peer-url=http://" + peer.address(),
		"--unsafe-no-fsync",
	}}
}
