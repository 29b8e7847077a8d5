package decisions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxLine bounds a line of a decision log in bytes: the largest review, every character of which may be spelt with six, a patch as large,
// and what policies say of it, are less.
const MaxLine = 64 << 20

// LineError is a line that holds no record, as one that was torn when the disk was full. Those after it can be read.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the line.
func (e *LineError) Unwrap() error { return e.Err }

// Why a line holds no record.
var (
	ErrLong      = fmt.Errorf("it is longer than %d MiB", MaxLine>>20)
	ErrTorn      = errors.New("it is no whole JSON document; it was torn when it was written, or is no line of a decision log")
	ErrNotRecord = errors.New("it is JSON, but no decision record: it has no decision_id or no path")
)

// Read yields the records of a decision log, in order, with gaps and events among them. A line that holds none yields a *LineError, and
// reading goes on after it; any other error is one of r, and the last that is yielded. No more than one line is held. Fields nobody knows are
// passed over, and so are empty lines.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for line, err := range Lines(r) {
			var record Record
			if err == nil {
				if record, err = Parse(line.Text); err != nil {
					record, err = Record{}, &LineError{Line: line.Number, Err: err}
				}
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

// Line is one line of a log.
type Line struct {
	Number int    // counted from 1
	Text   []byte // good until the next line is asked for
}

// Lines yields the lines of a log that are not empty, for those who read records on several goroutines. A line that is longer than MaxLine
// yields a *LineError, and reading goes on after it; any other error is one of r, and the last that is yielded. No more than one line is held.
func Lines(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		lines := lines{r: bufio.NewReaderSize(r, 1<<20)}
		for n := 1; ; n++ {
			text, err := lines.next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.Is(err, ErrLong):
				yield(Line{Number: n}, fmt.Errorf("line %d: %w", n, err))
				return
			case err != nil:
				err = &LineError{Line: n, Err: err}
			case len(bytes.TrimSpace(text)) == 0:
				continue
			}
			if !yield(Line{Number: n, Text: text}, err) {
				return
			}
		}
	}
}

// Parse reads a line: its error is ErrTorn or ErrNotRecord. JSON that fits no Record is that of another log.
func Parse(line []byte) (record Record, err error) {
	switch err := json.Unmarshal(line, &record); {
	case err != nil && !json.Valid(line):
		return Record{}, ErrTorn
	case err != nil, record.DecisionID == "", record.Path == "":
		return Record{}, ErrNotRecord
	}
	return record, nil
}

// lines hands out one line after the other.
type lines struct {
	r    *bufio.Reader
	long []byte // one that is longer than r's buffer
}

// next returns the next line, which is good until the next call; ErrLong, having passed over it, for one that is too long; and io.EOF when
// there is none.
func (l *lines) next() ([]byte, error) {
	part, err := l.r.ReadSlice('\n')
	if err == nil || errors.Is(err, io.EOF) && len(part) > 0 {
		return part, nil
	}
	tooLong := false
	for l.long = l.long[:0]; errors.Is(err, bufio.ErrBufferFull); part, err = l.r.ReadSlice('\n') {
		if tooLong = tooLong || len(l.long)+len(part) > MaxLine; !tooLong {
			l.long = append(l.long, part...)
		}
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF), len(l.long) == 0:
		return nil, err
	case tooLong || len(l.long)+len(part) > MaxLine:
		l.long = nil
		return nil, ErrLong
	}
	l.long = append(l.long, part...)
	return l.long, nil
}
