package native

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// deadline is the format of a time at which something ends. One that is past when the policy is loaded is no fault, for it was right once, but whoever has
// just written it should know.
const deadline = "deadline"

// overdue returns, for each deadline in a value that is past, an error that says so.
func overdue(schema, value any, now time.Time, path ...string) (out []error) {
	s, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	below := func(schema, value any, step string) {
		out = append(out, overdue(schema, value, now, append(slices.Clip(path), step)...)...)
	}
	switch v := value.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil && s["format"] == deadline && at.Before(now) {
			err := fmt.Errorf("%s: %s is past, and what ends then has ended; take it away, or give it a later time", strings.Join(path, "."), v)
			out = append(out, under(err, path...))
		}
	case []any:
		for i, item := range v {
			below(s["items"], item, strconv.Itoa(i))
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for name, property := range properties {
			below(property, v[name], name)
		}
	}
	return out
}
