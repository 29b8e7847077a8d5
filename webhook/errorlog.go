package webhook

import (
	"log"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/portcullis-dev/portcullis/review"
)

// errorLog passes what net/http says about connections on to log. A failed handshake is worth a warning, since a caller that does
// not trust the certificate shows nowhere else; but anybody who can connect can cause one, so warnings come once a second at
// most, and port scanners' closed connections not at all, except at debug level.
func errorLog(out *slog.Logger) *log.Logger {
	return log.New(&errorWriter{log: out, often: rate.NewLimiter(rate.Every(time.Second), 10)}, "", 0)
}

type errorWriter struct {
	log   *slog.Logger
	often *rate.Limiter
}

func (w *errorWriter) Write(line []byte) (int, error) {
	text := string(line)
	report := w.log.Warn
	switch {
	case strings.HasPrefix(text, "http: panic serving"):
		report = w.log.Error
	case gone(text), !w.often.Allow():
		report = w.log.Debug
	}
	report("http server", "error", review.Sentence(text, 4*maxLogged))
	return len(line), nil
}

// gone reports whether a handshake failed because the caller went away.
func gone(text string) bool {
	text = strings.TrimSpace(text)
	for _, end := range []string{": EOF", ": connection reset by peer", ": i/o timeout", ": broken pipe"} {
		if strings.HasSuffix(text, end) {
			return true
		}
	}
	return false
}
