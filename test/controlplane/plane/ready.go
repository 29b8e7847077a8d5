package plane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// probe asks a component whether it is ready. It goes to 127.0.0.1 directly, whatever proxy the environment names.
type probe struct {
	client *http.Client
	token  string
}

func newProbe(l layout, token string) (*probe, error) {
	ca, err := readCA(l)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", l.caCert())
	}
	return &probe{
		client: &http.Client{
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
			Timeout:   2 * time.Second, // one slow answer must not use up the time for the others
		},
		token: token,
	}, nil
}

// ok wants a 200 from every address, in order.
func (p *probe) ok(urls ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, url := range urls {
			if err := p.get(ctx, url); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p *probe) get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if strings.HasPrefix(url, "https://") {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", url, resp.Status, missing(string(body)))
	}
	return nil
}

// missing keeps of an answer to /readyz the checks that failed, of any other answer everything.
func missing(body string) string {
	var failed []string
	for line := range strings.SplitSeq(body, "\n") {
		if check, ok := strings.CutPrefix(line, "[-]"); ok {
			failed = append(failed, check)
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(body)
	}
	return strings.Join(failed, "; ")
}
