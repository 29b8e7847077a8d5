package plane

import (
	"io"
	"os"
	"regexp"
	"strings"
)

const (
	// tailBytes is enough for a panic of the API server with the stacks of its first goroutines.
	tailBytes = 64 << 10
	// recentLines is how far back an error can still be the reason for an end that came without a last word.
	recentLines = 40
	// tailLines and tailWidth keep an error readable on one screen; the whole log stays on disk.
	tailLines = 6
	tailWidth = 600
)

// lastWord matches how a component which gives up says so: klog, a panic, the Go runtime, etcd's JSON.
var lastWord = regexp.MustCompile(`^F[0-9]{4} |^panic: |^fatal error: |"level":"(panic|fatal)"`)

// telling matches the other lines which usually name the cause: errors of klog and of cobra, errors in etcd's JSON.
var telling = regexp.MustCompile(`^E[0-9]{4} |^[Ee]rror: |"level":"error"`)

// logTail returns the last lines of a log which say what went wrong, or simply the last lines if none stands out.
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "the log cannot be read: " + err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := f.Seek(-tailBytes, io.SeekEnd); err != nil {
			return "the log cannot be read: " + err.Error()
		}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return "the log cannot be read: " + err.Error()
	}
	return tail(string(data))
}

func tail(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimRight(line, " \t\r"); line == "" {
			continue
		}
		if len(line) > tailWidth {
			line = strings.ToValidUTF8(line[:tailWidth], "") + "..."
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return "the log is empty"
	}
	// What follows a last word are the stacks, so the lines are counted from it.
	for i, line := range lines {
		if lastWord.MatchString(line) {
			return strings.Join(lines[i:min(len(lines), i+tailLines)], "\n")
		}
	}
	var told []string
	inside := false // klog breaks a value of several lines and indents them
	for _, line := range lines[max(0, len(lines)-recentLines):] {
		inside = telling.MatchString(line) || inside && strings.ContainsAny(line[:1], " \t")
		if inside {
			told = append(told, line)
		}
	}
	if len(told) == 0 {
		told = lines
	}
	return strings.Join(told[max(0, len(told)-tailLines):], "\n")
}
