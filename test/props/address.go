package props

import (
	"context"
	"fmt"
	"net"
	"testing"
)

// FreeAddress returns a HOST:PORT of the loopback interface at which nobody listens. Somebody may come in between: who listens there
// later must be ready to fail.
func FreeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// FreeAddressT is FreeAddress for a test, which fails if there is none.
func FreeAddressT(t testing.TB) string {
	t.Helper()
	address, err := FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}
