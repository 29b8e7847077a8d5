package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConnectionAge(t *testing.T) {
	for name, c := range map[string]struct {
		jitter float64
		max    time.Duration
		age    time.Duration
		want   bool
	}{
		"young":         {0.5, 0, 5*time.Minute - time.Second, false},
		"old":           {0.5, 0, 5 * time.Minute, true},
		"young, early":  {0, 0, 4*time.Minute - time.Second, false},
		"old, early":    {0, 0, 4 * time.Minute, true},
		"young, late":   {1, 0, 6*time.Minute - time.Second, false},
		"old, late":     {1, 0, 6 * time.Minute, true},
		"another limit": {0.5, time.Minute, time.Minute, true},
		"no limit":      {0.5, -1, 1000 * time.Hour, false},
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				var mu sync.Mutex
				now := time.Now()
				clock := func() time.Time {
					mu.Lock()
					defer mu.Unlock()
					return now
				}
				s := start(t, newAuthority(t), Options{
					Handler: handler(t, allowing()), MaxConnectionAge: c.max, Now: clock, Jitter: func() float64 { return c.jitter },
				})
				var dialled int
				transport := &http.Transport{
					TLSClientConfig: s.clientTLS(), ForceAttemptHTTP2: protocol == "HTTP/2.0",
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						dialled++
						return new(net.Dialer).DialContext(ctx, network, addr)
					},
				}
				defer transport.CloseIdleConnections()
				send := func() (closing bool) {
					response, err := (&http.Client{Transport: transport}).Post("https://"+s.addr+"/validate", "application/json", strings.NewReader(admission))
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
					if response.Proto != protocol {
						t.Errorf("got %s", response.Proto)
					}
					return response.Close
				}
				if send() {
					t.Error("the first answer ends the connection")
				}
				mu.Lock()
				now = now.Add(c.age)
				mu.Unlock()
				closing := send()
				if protocol == "HTTP/1.1" {
					if closing != c.want {
						t.Errorf("closing: %t", closing)
					}
					return
				}
				if !c.want {
					send()
					if dialled != 1 {
						t.Errorf("%d connections were opened", dialled)
					}
					return
				}
				eventually(t, "the GOAWAY makes the client connect anew", func() bool {
					send()
					return dialled > 1
				})
			})
		}
	}
}
