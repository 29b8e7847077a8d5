package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// idleConnections is how many idle connections an API server keeps to one webhook server.
	idleConnections = 25
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4 << 20
	// requestTime bounds one request: far more than any answer takes, so that a server that hangs ends the run.
	requestTime = 30 * time.Second
)

// protocol is the version of HTTP to speak.
type protocol string

// The API server speaks HTTP/1.1 to admission webhooks behind a Service, and HTTP/2 to authorizers.
const (
	http1 protocol = "http/1.1"
	http2 protocol = "h2"
)

// question is one request with what its answer has to be.
type question struct {
	path  string
	body  []byte // not changed once it was handed over: the transport may read on after the answer is there
	check func(answer []byte) error
}

// traffic makes questions: the same for the same number, another for every other number.
type traffic interface {
	question(number uint64) question
}

// trafficFunc is a function that is a traffic.
type trafficFunc func(number uint64) question

func (f trafficFunc) question(number uint64) question { return f(number) }

// caller asks questions of one server in the way the API server does.
type caller struct {
	client *http.Client
	base   string
	header http.Header
	want   int // the status code of a good answer
}

// newCaller returns a caller for the server at base, an address such as https://127.0.0.1:8443, whose authority is ca. Sessions are
// not resumed, because the API server keeps no session cache.
func newCaller(base string, ca *x509.CertPool, speak protocol) *caller {
	return &caller{
		client: newClient(&tls.Config{RootCAs: ca, MinVersion: tls.VersionTLS12}, speak),
		base:   base,
		header: http.Header{
			"Accept":       {"application/json, */*"},
			"Content-Type": {"application/json"},
			"User-Agent":   {"kube-apiserver-admission"},
		},
		want: http.StatusOK,
	}
}

func newClient(config *tls.Config, speak protocol) *http.Client {
	config.NextProtos = []string{string(speak)}
	var protocols http.Protocols
	protocols.SetHTTP1(speak == http1)
	protocols.SetHTTP2(speak == http2)
	return &http.Client{
		Timeout: requestTime,
		Transport: &http.Transport{
			TLSClientConfig:     config,
			Protocols:           &protocols,
			DialContext:         dialLocal,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: idleConnections,
			IdleConnTimeout:     90 * time.Second,
		},
	}
}

// dialLocal refuses to load anything but this machine.
func dialLocal(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address, and others are never put under load", address)
	}
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
}

// ask asks one question and checks the answer.
func (c *caller) ask(ctx context.Context, q question) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return err
	}
	req.Header = c.header // shared: the transport does not change it
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := readAnswer(resp)
	if err != nil {
		return fmt.Errorf("%s: %w", q.path, err)
	}
	if resp.StatusCode != c.want {
		return fmt.Errorf("%s answered %s: %s", q.path, resp.Status, excerpt(answer))
	}
	if err := q.check(answer); err != nil {
		return fmt.Errorf("%s: %w: %s", q.path, err, excerpt(answer))
	}
	return nil
}

func readAnswer(resp *http.Response) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n <= maxAnswer {
		answer := make([]byte, n)
		_, err := io.ReadFull(resp.Body, answer)
		return answer, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = errors.New("the answer is far too long")
	}
	return answer, err
}

// close ends the idle connections.
func (c *caller) close() { c.client.CloseIdleConnections() }

func excerpt(answer []byte) string {
	const most = 600
	if len(answer) > most {
		return string(answer[:most]) + "..."
	}
	return string(answer)
}
