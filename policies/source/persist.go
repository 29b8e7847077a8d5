package source

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// How soon an API server that could not be reached is asked again, at first and at last. Left to itself an informer waits for up to a
// minute, and what was applied in the first seconds of an API server that is back would count no sooner. One request a kind in two to four
// seconds is little beside what every node asks then.
const (
	firstPause = time.Second / 2
	lastPause  = 2 * time.Second
)

// persist asks again for as long as the API server cannot be reached, and has each outcome noted. What the API server itself answers is for
// the informer to wait out: it may be that it is asked too much.
func persist[T any](ctx context.Context, note func(context.Context, error), ask func() (T, error)) (T, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		out, err := ask()
		away, unreached := errors.AsType[*url.Error](err)
		if unreached {
			err = withoutQuery(away)
		}
		note(ctx, err)
		if !unreached {
			return out, err
		}
		timer := time.NewTimer(wait.Jitter(pause, 1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return out, err
		case <-timer.C:
		}
	}
}

// withoutQuery leaves out what differs from one attempt to the next, so that the same trouble has the same words.
func withoutQuery(err *url.Error) error {
	at, _, _ := strings.Cut(err.URL, "?")
	return &url.Error{Op: err.Op, URL: at, Err: err.Err}
}
