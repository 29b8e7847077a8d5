package decisions

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"
)

// HTTPOptions say whom records are sent to.
type HTTPOptions struct {
	URL       string       // https; http to this machine alone
	CAFile    string       // of the authorities to trust for it, as PEM, read again when it changes; empty: those of this machine
	TokenFile string       // of a bearer token, read again for each request; empty: none is sent
	Log       *slog.Logger // told when records cannot be sent, and when they can again; nil discards
}

// HTTP is a Sink: it posts JSON arrays of records, compressed by gzip, as OPA sends its decision logs. While the receiver has no answer, or says that
// it can take nothing now, it tries again, for as long as it takes; what comes meanwhile waits in the Recorder. Records that the receiver
// will never take, as they are too large for it, are lost by themselves. The receiver may get a record twice, never none for one answered with 2xx.
// Make it with NewHTTP.
type HTTP struct {
	opts   HTTPOptions
	ctx    context.Context //nolint:containedctx // of whoever made it, and ends with Close
	cancel context.CancelFunc
	pause  func(ctx context.Context, d time.Duration) bool
	client *http.Client
	ca     []byte // by which client trusts
	faulty bool
}

// Between tries there is a pause, of half to all of what doubles from firstPause to lastPause; the receiver may ask for one as long as longestAsked.
const (
	firstPause   = 500 * time.Millisecond
	lastPause    = 30 * time.Second
	longestAsked = time.Minute
)

// sendTimeout is for one try: a megabyte that is sent to the other end of the world.
const sendTimeout = 30 * time.Second

// BatchHTTP and LingerHTTP are what a Recorder should be told that sends by HTTP: a receiver wants few requests, and nobody waits long for a record.
const (
	BatchHTTP  = 1 << 20
	LingerHTTP = time.Second
)

// NewHTTP returns a Sink that sends to opts.URL, until ctx ends or it is closed. It sends nothing yet; but the files must be readable.
func NewHTTP(ctx context.Context, opts HTTPOptions) (*HTTP, error) {
	u, err := url.Parse(opts.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Fragment != "":
		return nil, errors.New("it is not an address such as https://logs.example.com/logs; credentials go into a file")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("records hold what objects hold, and go to other machines by https alone")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	h := &HTTP{opts: opts, pause: pauseFor}
	if _, err := h.token(); err != nil {
		return nil, err
	}
	if err := h.trust(); err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(ctx)
	return h, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// trust makes a client that trusts whom the file names now.
func (h *HTTP) trust() error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var text []byte
	if h.opts.CAFile != "" {
		var err error
		if text, err = os.ReadFile(h.opts.CAFile); err != nil {
			return err
		}
		if h.client != nil && bytes.Equal(text, h.ca) {
			return nil
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("%s holds no certificate in PEM", h.opts.CAFile)
		}
	} else if h.client != nil {
		return nil
	}
	if h.client != nil {
		h.client.CloseIdleConnections()
	}
	h.ca = text
	h.client = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second,
		},
		Timeout: sendTimeout,
		// A POST that is sent elsewhere would be a GET without records, and its token another's.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

func (h *HTTP) token() (string, error) {
	if h.opts.TokenFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(h.opts.TokenFile)
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || slices.ContainsFunc(text, func(c byte) bool { return c <= ' ' || c > '~' }) {
		return "", fmt.Errorf("%s holds no token: it must be one line of visible ASCII", h.opts.TokenFile)
	}
	return string(text), nil
}

// Write sends lines until the receiver has taken them. Only those that it will never take are lost, and at Close all that it has not.
func (h *HTTP) Write(lines [][]byte) (lost int, err error) {
	switch err := h.deliver(lines); {
	case err == nil:
		return 0, nil
	case !errors.Is(err, errRefused):
		return len(lines), err
	case len(lines) == 1:
		h.opts.Log.Error("a decision record is lost: its receiver refuses it", "error", err)
		return 1, err
	}
	half := len(lines) / 2
	first, err1 := h.Write(lines[:half])
	second, err2 := h.Write(lines[half:])
	return first + second, errors.Join(err1, err2)
}

// errRefused is a receiver that would refuse these records again.
var errRefused = errors.New("refused")

// deliver sends lines as one array, as often as it takes.
func (h *HTTP) deliver(lines [][]byte) error {
	body, err := packed(lines)
	if err != nil {
		return err
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		asked, err := h.post(body)
		if err == nil || errors.Is(err, errRefused) {
			h.tell(nil)
			return err
		}
		if h.ctx.Err() != nil {
			return err
		}
		h.tell(err)
		wait := max(asked, pause/2+rand.N(pause/2)) //nolint:gosec // many servers should not come back at once; nobody is to be surprised
		if !h.pause(h.ctx, wait) {
			return err
		}
	}
}

// packed is a JSON array of lines, compressed.
func packed(lines [][]byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	separator := byte('[')
	for _, line := range lines {
		if _, err := w.Write(append([]byte{separator}, line...)); err != nil {
			return nil, err
		}
		separator = ','
	}
	if _, err := w.Write([]byte{']'}); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

// post sends a body once. If the receiver asks for a pause, that is it. What it says beside is not told: it may say what it was sent.
func (h *HTTP) post(body []byte) (pause time.Duration, err error) {
	if err := h.trust(); err != nil {
		return 0, err
	}
	token, err := h.token()
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(h.ctx, http.MethodPost, h.opts.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "portcullis")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := h.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // or the connection could not be used again
	switch code := answer.StatusCode; {
	case code/100 == 2:
		return 0, nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnsupportedMediaType, code == http.StatusUnprocessableEntity:
		return 0, fmt.Errorf("%w with status %d", errRefused, code)
	default:
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
			pause = min(time.Duration(seconds)*time.Second, longestAsked)
		}
		return pause, fmt.Errorf("it answers with status %d", code)
	}
}

// tell logs the first failure of many, and the end of them.
func (h *HTTP) tell(err error) {
	switch {
	case err != nil && !h.faulty:
		h.opts.Log.Warn("decision records cannot be sent; they wait, and are lost when too many do", "url", h.opts.URL, "error", err)
	case err == nil && h.faulty:
		h.opts.Log.Info("decision records are sent again", "url", h.opts.URL)
	}
	h.faulty = err != nil
}

// Close ends a Write under way.
func (h *HTTP) Close() error {
	h.cancel()
	return nil
}
