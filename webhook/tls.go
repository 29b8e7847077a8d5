package webhook

import (
	"crypto/tls"
	"net"
)

// tlsConfig is TLS 1.3, or 1.2 with suites that have forward secrecy and authenticate what they encrypt. There are no session
// tickets: the API server keeps none, and a resumed session would carry a client's identity past a change of authorities.
func tlsConfig(opts Options) *tls.Config {
	base := &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 cannot be chosen and need not be
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		GetCertificate:         opts.GetCertificate,
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
	}
	config := base.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		out := base.Clone()
		// The API server speaks HTTP/2 to webhooks on its own machine. Elsewhere it does not, and what nobody needs cannot be abused.
		if !opts.DisableHTTP2 && loopback(hello.Conn.LocalAddr()) {
			out.NextProtos = []string{"h2", "http/1.1"}
		}
		return out, opts.Clients.apply(out)
	}
	return config
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
