package cmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// terminalWidth is how many columns a writer has, if it is a terminal.
func terminalWidth(out io.Writer) (columns int, terminal bool) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		columns = 0
	}
	return columns, true
}

// colored reports whether what is written there may be coloured: on terminals, unless NO_COLOR is set or the terminal knows no colours.
func colored(out io.Writer) bool {
	_, terminal := terminalWidth(out)
	return terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// progress tells on a terminal how far a long work has come, on one line that is written over. Without a terminal it tells nothing. It is used by
// one goroutine.
type progress struct {
	out     io.Writer // nil: nothing is told
	columns int
	last    time.Time
	written bool
}

// pace is how long a line stands at least; nobody reads faster.
const pace = 100 * time.Millisecond

func newProgress(out io.Writer) *progress {
	columns, terminal := terminalWidth(out)
	if !terminal {
		return &progress{}
	}
	return &progress{out: out, columns: columns}
}

// tell says that done of all is done; all is 0 while that is not known.
func (p *progress) tell(what string, done, all int) {
	if p.out == nil || time.Since(p.last) < pace {
		return
	}
	p.last, p.written = time.Now(), true
	fmt.Fprint(p.out, "\r\x1b[K"+progressLine(what, done, all, p.columns))
}

// progressLine is a bar with what it is of, in so many columns.
func progressLine(what string, done, all, columns int) string {
	const least, most = 10, 40
	line := fmt.Sprintf("%s: %d", what, done)
	if all > 0 {
		line = fmt.Sprintf("%s: %d of %d", what, done, all)
		if wide := min(most, columns-len(line)-4); wide >= least {
			full := wide * min(done, all) / all
			line += " [" + strings.Repeat("#", full) + strings.Repeat(".", wide-full) + "]"
		}
	}
	if columns > 1 && len(line) >= columns {
		line = line[:columns-1]
	}
	return line
}

// done takes the line away.
func (p *progress) done() {
	if p.written {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
