package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// maxEvents bounds the events of one list, which an API server sends by the hundred.
const maxEvents = 100_000

// errOther is why a line is neither.
var errOther = errors.New("it is JSON, but neither a decision record nor an audit event of " + auditVersion)

// exchanges reads a line: a decision record, an audit event, or a list of these.
func (l line) exchanges(o *Options) []exchange {
	if l.why != "" {
		return []exchange{{why: l.why}}
	}
	var either struct {
		decisions.Record
		event
	}
	err := json.Unmarshal(l.text, &either)
	switch e := &either.event; {
	case err != nil && !json.Valid(l.text):
		return []exchange{{why: decisions.ErrTorn.Error()}}
	case err != nil:
		return []exchange{{why: errOther.Error(), detail: bounded(err.Error())}}
	case e.APIVersion == auditVersion && e.Kind == "Event":
		return []exchange{exchangeOfEvent(e, o)}
	case e.APIVersion == auditVersion && e.Kind == "EventList":
		return listed(e.Items, o)
	case strings.HasPrefix(e.APIVersion, "audit.k8s.io/"):
		return []exchange{{why: "it is of " + bounded(e.APIVersion) + ", and only audit events of " + auditVersion + " are read"}}
	case either.DecisionID != "" && either.Path != "":
		return []exchange{exchangeOfRecord(&either.Record)}
	}
	return []exchange{{why: errOther.Error()}}
}

func listed(items []json.RawMessage, o *Options) (out []exchange) {
	if len(items) > maxEvents {
		return []exchange{{why: fmt.Sprintf("it is a list of more than %d audit events", maxEvents)}}
	}
	for _, item := range items {
		var e event
		if err := json.Unmarshal(item, &e); err != nil {
			out = append(out, exchange{why: errOther.Error(), detail: bounded(err.Error())})
			continue
		}
		out = append(out, exchangeOfEvent(&e, o)) // whose kind a list need not repeat
	}
	return out
}
