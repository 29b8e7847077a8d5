package plane

import (
	"fmt"
	"io"
	"time"
)

// progress prints one line a step, with the seconds since the start.
type progress struct {
	out   io.Writer
	start time.Time
}

func (p *progress) say(format string, args ...any) {
	// Nobody can be told that nobody can be told.
	_, _ = fmt.Fprintf(p.out, "%s (%.1fs)\n", fmt.Sprintf(format, args...), time.Since(p.start).Seconds())
}
