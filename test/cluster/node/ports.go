package node

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below those which the kernel gives to whoever asks for any (32768 on Linux), so that a port found free is not
// taken by a connection before the Pod listens.
const firstPort, lastPort = 20000, 32000

// freePort returns a port of the address on which nobody listens.
func freePort(ip string) (int, error) {
	const tries = 200
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort(ip, fmt.Sprint(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("none of %d ports of %s is free", tries, ip)
}
