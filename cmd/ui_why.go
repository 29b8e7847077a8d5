package cmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/audit/replay"
	"github.com/portcullis-dev/portcullis/audit/web"
	"github.com/portcullis-dev/portcullis/policies"
)

// whyTime bounds how long policies are asked again for one page.
const whyTime = 2 * time.Second

// What a page says of the rules it shows, or does not.
const (
	whyChanged = "The policies have changed since then; lines are those of the policies in force now."
	whyUnsaid  = "Rules are found by asking the policies in force once more; what is shown without a line none of them is known to say of it now."
)

// why asks the policies in force that had something to say of a recorded request once more, and those that may have changed it.
func (a *assembly) why(ctx context.Context, record *decisions.Record) ([]web.Fired, string) {
	ctx, cancel := context.WithTimeout(ctx, whyTime)
	defer cancel()
	set := a.engine.Set()
	if set == nil || record.Result == nil {
		return nil, ""
	}
	said := map[string]bool{}
	for _, f := range record.Result.Findings {
		said[f.Policy] = true
	}
	changes := len(record.Result.Patch) > 0
	if len(said) == 0 && !changes {
		return nil, ""
	}
	question, err := replay.QuestionOf(record)
	if err != nil {
		return nil, fmt.Sprintf("Which rules said it is not known: %v.", err)
	}
	past := policies.Past{At: question.At, Unknown: question.Unknown}
	found, err := set.Explain(ctx, question.Request, past, func(id string) bool { return said[id] || changes })
	if err != nil {
		return nil, fmt.Sprintf("Which rules said it is not known: %v.", err)
	}
	out := make([]web.Fired, 0, len(found))
	for _, f := range found {
		out = append(out, web.Fired(f))
	}
	switch {
	case record.Revision != set.Revision():
		return out, whyChanged
	case slices.ContainsFunc(record.Result.Findings, func(f decisions.Finding) bool { return !explained(f, out) }):
		return out, whyUnsaid
	}
	return out, ""
}

// explained reports whether there is nothing to explain in a finding, because no rule said it, or there is a rule that says it.
func explained(f decisions.Finding, by []web.Fired) bool {
	return f.Fault || slices.ContainsFunc(by, func(r web.Fired) bool { return r.Policy == f.Policy && r.Message == f.Message && r.Field == f.Field })
}
