package decisions

import (
	"encoding/json"
	"strings"
)

// A text that was erased is looked for in what is said of the review from leastQuote bytes; shorter ones are words. Of more than maxQuotes texts, or
// maxQuoted bytes, none is looked for: then nothing that is said is kept.
const (
	leastQuote = 4
	maxQuotes  = 256
	maxQuoted  = 64 << 10
)

// quotes are the texts that were erased, and may be quoted by what policies say. Nil learns nothing, and takes nothing out.
type quotes struct {
	texts []string
	bytes int
	many  bool
}

// learn remembers the texts in a value.
func (q *quotes) learn(raw []byte) {
	var value any
	if q == nil || q.many || json.Unmarshal(raw, &value) != nil {
		return
	}
	q.walk(value)
}

func (q *quotes) walk(value any) {
	switch value := value.(type) {
	case string:
		if len(value) >= leastQuote && !q.many {
			q.texts, q.bytes = append(q.texts, value), q.bytes+len(value)
			q.many = len(q.texts) > maxQuotes || q.bytes > maxQuoted
		}
	case []any:
		for _, element := range value {
			q.walk(element)
		}
	case map[string]any:
		for _, member := range value {
			q.walk(member)
		}
	}
}

// hide returns text without what was erased.
func (q *quotes) hide(text string) string {
	switch {
	case q == nil || text == "":
		return text
	case q.many:
		return erased
	}
	for _, quote := range q.texts {
		text = strings.ReplaceAll(text, quote, erased)
		if quoted, err := json.Marshal(quote); err == nil { // as %q and sprintf spell it
			text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), erased)
		}
	}
	return text
}
