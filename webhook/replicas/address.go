package replicas

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation"
)

// CheckAddress returns what is wrong with an address at which others reach a server: it is host:port, with an IP address or a name of the DNS.
func CheckAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT: %w", text, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port from 1 to 65535", text)
	}
	if _, err := netip.ParseAddr(host); err != nil && len(validation.IsDNS1123Subdomain(host)) > 0 {
		return fmt.Errorf("%q is about a host that is neither an IP address nor a name of the DNS", text)
	}
	return nil
}

// address is what a Lease says if it is an address, and otherwise nothing: whoever may write Leases may write anything there.
func address(text string) string {
	if CheckAddress(text) != nil {
		return ""
	}
	return text
}
