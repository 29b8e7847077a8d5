package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	apiVersion   = group + "/v1beta1"
	requestKind  = "ProviderRequest"
	responseKind = "ProviderResponse"
	// maxResponse is how large an answer may be, in bytes: some KiB for each of a thousand keys.
	maxResponse = 4 << 20
	// share of the time left that one call may take. A rule may use half of it: what it makes of a Provider that is silent is to be heard.
	share = 3
)

type providerRequest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    struct {
		Keys []string `json:"keys"`
	} `json:"request"`
}

type providerResponse struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Response   *answer `json:"response"`
}

// answer is what a Provider said.
type answer struct {
	// Idempotent says that the Provider will say the same again.
	Idempotent  bool   `json:"idempotent"`
	Items       []item `json:"items"`
	SystemError string `json:"systemError"`

	status int // of HTTP
}

type item struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

func (a answer) failure() error {
	if a.SystemError != "" {
		return errors.New(a.SystemError)
	}
	return nil
}

// decode reads the value, with json.Number for numbers.
func (i item) decode() (out any, err error) {
	if len(i.Value) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(i.Value))
	decoder.UseNumber()
	return out, decoder.Decode(&out)
}

// ask calls the Provider. The error says why there is no answer.
func (p *provider) ask(ctx context.Context, keys []string) (answer, error) {
	timeout := p.timeout
	if deadline, bounded := ctx.Deadline(); bounded {
		timeout = min(timeout, time.Until(deadline)/share)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request := providerRequest{APIVersion: apiVersion, Kind: requestKind}
	request.Request.Keys = keys
	body, err := json.Marshal(request)
	if err != nil {
		return answer{}, err
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("the Provider %s cannot be called: %w", p.name, err)
	}
	call.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(call)
	if err != nil {
		return answer{}, p.silent(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	switch {
	case ctx.Err() != nil: // what a connection yields that is being closed is no answer
		return answer{}, p.silent(ctx.Err())
	case err != nil:
		return answer{}, p.silent(err)
	case len(text) > maxResponse:
		return answer{}, fmt.Errorf("the Provider %s answered with more than %d MiB", p.name, maxResponse>>20)
	}
	return p.read(text, response.StatusCode)
}

// silent says why the Provider did not answer, without its URL: the text may reach whoever sent the request.
func (p *provider) silent(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the Provider %s did not answer in time", p.name)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("the Provider %s did not answer: %w", p.name, err)
}

// read reads an answer. Of what is not one, only the status is told.
func (p *provider) read(text []byte, status int) (answer, error) {
	var given providerResponse
	if err := json.Unmarshal(text, &given); err != nil {
		return answer{}, fmt.Errorf("the Provider %s answered with status %d and no %s: %w", p.name, status, responseKind, err)
	}
	if given.Response == nil || given.Kind != "" && given.Kind != responseKind {
		return answer{}, fmt.Errorf("the Provider %s answered with status %d and kind %q, which is no %s", p.name, status, given.Kind, responseKind)
	}
	given.Response.status = status
	return *given.Response, nil
}
