package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sync/semaphore"
)

const (
	// largeBody is the length from which a body waits for its share of readBudget. Nearly every review is below it.
	largeBody = 256 << 10
	// readBudget bounds the memory of large bodies that are still arriving: four of the largest. Limit counts a review only
	// once it is there, and a slow sender may take as long as the server's ReadTimeout.
	readBudget = 4 * DefaultMaxAdmission
)

// contentType returns an error unless the body is said to be plain JSON.
func contentType(r *http.Request) error {
	if values := r.Header.Values("Content-Type"); len(values) == 1 {
		kind, params, err := mime.ParseMediaType(values[0])
		charset, given := params["charset"]
		if err == nil && kind == "application/json" && (!given || strings.EqualFold(charset, "utf-8")) &&
			r.Header.Get("Content-Encoding") == "" {
			return nil
		}
	}
	return failure(http.StatusUnsupportedMediaType, "the content type should be application/json, in UTF-8 and not compressed")
}

// bodies reads requests' bodies.
type bodies struct{ large *semaphore.Weighted }

func newBodies() bodies { return bodies{large: semaphore.NewWeighted(readBudget)} }

// read returns the body of r, which has to announce how long it is, as the API server's does: then one buffer of just that length
// is enough, and no two readers can disagree about where the body ends.
//
// The buffer is not pooled. A Request keeps slices of it, and an evaluation that overruns its deadline or a recorder may read
// them long after the caller was answered.
func (b bodies) read(ctx context.Context, w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	length := r.ContentLength
	switch {
	case length < 0:
		return nil, failure(http.StatusLengthRequired, "the request should say its length in Content-Length, and come in one piece")
	case length > limit:
		return nil, tooLong(length, limit)
	case length > largeBody:
		cost := min(length, readBudget)
		ctx, cancel := context.WithTimeout(ctx, queueFor)
		defer cancel()
		if b.large.Acquire(ctx, cost) != nil {
			return nil, errTooManyBodies
		}
		defer b.large.Release(cost)
	}
	body := make([]byte, length)
	n, err := io.ReadFull(http.MaxBytesReader(w, r.Body, limit), body)
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, failure(http.StatusRequestTimeout, fmt.Sprintf("only %d of %d bytes of the body arrived in time", n, length))
	default:
		return nil, failure(http.StatusBadRequest, fmt.Sprintf("only %d of %d bytes of the body arrived", n, length))
	}
}

func tooLong(length, limit int64) error {
	return failure(http.StatusRequestEntityTooLarge, fmt.Sprintf(
		"the review has %d bytes, and at most %d are accepted here; the server's limit can be raised in its configuration", length, limit))
}
