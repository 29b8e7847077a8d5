package web

import (
	"html/template"
	"time"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/audit/export"
)

// form is what filters are shown by.
type form struct {
	Action, Clear string
	By            export.By // empty where nothing is grouped
	Fields        []filterField
}

// functions are those of the exports' page, and what the pages have beside it.
func functions() template.FuncMap {
	out := export.Functions()
	out["filters"] = func(action string, fields []filterField, clear string, by ...export.By) form {
		f := form{Action: action, Fields: fields, Clear: clear}
		if len(by) > 0 {
			f.By = by[0]
		}
		return f
	}
	out["second"] = func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
	out["lost"] = func(n uint64) int { return int(min(n, 1<<31)) }
	out["judged"] = func(verdict string) string {
		return map[string]string{"allow": "met", "deny": "fail", decisions.NoAnswer: "error"}[verdict]
	}
	out["joined"] = func(by decisions.Join) string {
		switch by {
		case decisions.JoinEvent:
			return "the API server's audit log names it"
		case decisions.JoinCredential:
			return "the same credential was presented; the answer about it may be older"
		case decisions.JoinObject:
		}
		return "it may be: the same user asked about the same object at about the same time"
	}
	return out
}
