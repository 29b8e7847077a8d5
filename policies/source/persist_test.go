package source

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// An API server that is back is heard within some seconds, however long it was away.
func TestPersist(t *testing.T) {
	refused := &url.Error{Op: "Get", URL: "https://api/apis?timeoutSeconds=311", Err: syscall.ECONNREFUSED}
	const said = `Get "https://api/apis": connection refused`
	denied := errors.New("forbidden")
	for name, c := range map[string]struct {
		answers []error // in turn; the last one stays
		away    time.Duration
		noted   []string
		want    error
	}{
		"it answers":          {answers: []error{nil}, noted: []string{""}},
		"it refuses":          {answers: []error{denied}, noted: []string{"forbidden"}, want: denied},
		"it was away, once":   {answers: []error{refused, nil}, noted: []string{said, ""}},
		"it comes to refuse":  {answers: []error{refused, denied}, noted: []string{said, "forbidden"}, want: denied},
		"it was away an hour": {answers: []error{refused}, away: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var noted []string
				asked := 0
				_, err := persist(t.Context(), func(_ context.Context, err error) {
					text := ""
					if err != nil {
						text = err.Error()
					}
					noted = append(noted, text)
				}, func() (struct{}, error) {
					err := c.answers[min(asked, len(c.answers)-1)]
					if c.away > 0 && time.Since(began) >= c.away {
						err = nil
					}
					asked++
					return struct{}{}, err
				})
				if !errors.Is(err, c.want) || c.noted != nil && !slices.Equal(noted, c.noted) {
					t.Errorf("%v, noted %q", err, noted)
				}
				if late := time.Since(began) - c.away; c.away > 0 && (late > 2*lastPause || asked > int(c.away/lastPause)+5) {
					t.Errorf("heard %s late, asked %d times", late, asked)
				}
			})
		})
	}
	t.Run("nobody waits any more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := persist(ctx, func(context.Context, error) {}, func() (int, error) { return 0, refused }); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Error(err)
			}
		})
	})
}
