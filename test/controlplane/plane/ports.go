package plane

import (
	"fmt"
	"net"
	"strconv"
)

// port is a port of 127.0.0.1 which is kept from others until release. It is released only when the child that needs it starts: the
// shorter it is nobody's, the less likely somebody else gets it.
type port struct {
	listener net.Listener
	number   int
}

// reserve takes the given port, or a free one for zero.
func reserve(number int) (*port, error) {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(number))
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &port{listener: l, number: l.Addr().(*net.TCPAddr).Port}, nil
}

// reserveAll reserves one port for each number, or none.
func reserveAll(numbers ...int) ([]*port, error) {
	var ports []*port
	for _, n := range numbers {
		p, err := reserve(n)
		if err != nil {
			for _, p := range ports {
				p.release()
			}
			return nil, err
		}
		ports = append(ports, p)
	}
	return ports, nil
}

// release makes the port free. Releasing it again does nothing.
func (p *port) release() { _ = p.listener.Close() }

func (p *port) address() string { return "127.0.0.1:" + strconv.Itoa(p.number) }

func (p *port) portString() string { return strconv.Itoa(p.number) }
