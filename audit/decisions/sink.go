package decisions

import "io"

// Sink is where records go: Stream, File, HTTP or Recent. A Recorder is the only one to call it, one call at a time.
type Sink interface {
	// Write keeps lines, each a record and without its newline; there is at least one. It returns how many of them are lost, and if any are, why.
	// It may take its time: what comes meanwhile waits in the Recorder. It does not keep the lines.
	Write(lines [][]byte) (lost int, err error)
	// Close has a Write under way end soon, as far as it can be ended; nothing is written any more.
	Close() error
}

// Stream returns a Sink that writes lines to out, and closes nothing. A line that was torn by an error is ended before the next.
func Stream(out io.Writer) Sink { return &stream{out: out} }

type stream struct {
	out  io.Writer
	torn bool // the output ends within a line
	text []byte
}

func (s *stream) Write(lines [][]byte) (int, error) {
	text, ends := s.text[:0], make([]int, 0, len(lines))
	if s.torn { // or the first line would be lost with the rest of that one
		text = append(text, '\n')
	}
	for _, line := range lines {
		text = append(append(text, line...), '\n')
		ends = append(ends, len(text))
	}
	if s.text = text; cap(text) > 4*maxBatch {
		s.text = nil // one large review should not be remembered by its size
	}
	n, err := s.out.Write(text)
	if err == nil {
		s.torn = false
		return 0, nil
	}
	if n = min(max(n, 0), len(text)); n > 0 {
		s.torn = text[n-1] != '\n'
	}
	lost := 0
	for _, end := range ends {
		if end > n {
			lost++
		}
	}
	return lost, err
}

func (*stream) Close() error { return nil }
