package decisions

import (
	"cmp"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Join is how it is known that two records belong together.
type Join string

// The joins, the surest first.
const (
	JoinEvent      Join = "event"      // the API server's audit event names them
	JoinCredential Join = "credential" // the same credential was presented: the answer about it may be older than the request
	JoinObject     Join = "object"     // the same user asked about the same object at about the same time: they may be of two requests
)

// Related is another record that is, or may be, of the same request.
type Related struct {
	Brief Brief `json:"brief"`
	Join  Join  `json:"join"`
}

// How far from each other the records of a request may be. The API server waits half a minute for a webhook at most; answers about tokens and access it
// keeps for five minutes by default.
const (
	nearBy  = 30 * time.Second
	keptFor = 5 * time.Minute
)

// maxRelated bounds what is told: a request is asked about by fewer webhooks.
const maxRelated = 50

// related finds what belongs to a record. What an audit event joins goes before what only looks as if it belonged together, of which the nearest of each
// path is told.
func related(of *Brief, all []*kept, may func(*Brief) bool) (out []Related) {
	named := namedWith(of, all)
	known := map[string]bool{of.Path: true, PathGap: true} // paths of which nothing more is looked for
	guessed := map[string]int{}
	for _, k := range all {
		b := &k.brief
		if b != of && (named[b.ID] && b.Path != PathEvent || b.Path == PathEvent && tells(b, of)) && may(b) {
			known[b.Path] = true
			out = append(out, Related{Brief: *b, Join: JoinEvent})
		}
	}
	for _, k := range all {
		b := &k.brief
		join := alike(of, b)
		if join == "" || known[b.Path] || !may(b) {
			continue
		}
		i, there := guessed[b.Path]
		switch {
		case !there:
			guessed[b.Path] = len(out)
			out = append(out, Related{Brief: *b, Join: join})
		case apart(of, b) < apart(of, &out[i].Brief):
			out[i] = Related{Brief: *b, Join: join}
		}
	}
	slices.SortStableFunc(out, func(a, b Related) int { return cmp.Compare(apart(of, &a.Brief), apart(of, &b.Brief)) })
	return out[:min(len(out), maxRelated)]
}

// namedWith are the IDs of the decisions that an audit event names together with a record, or that it names if it is one.
func namedWith(of *Brief, all []*kept) map[string]bool {
	out := map[string]bool{}
	for _, k := range all {
		if b := &k.brief; b == of || tells(b, of) {
			for _, id := range b.Decisions {
				out[id] = true
			}
		}
	}
	return out
}

// tells reports whether b is an event that names a decision.
func tells(b, decision *Brief) bool {
	return b.Path == PathEvent && decision.Path != PathEvent && slices.Contains(b.Decisions, decision.ID)
}

// alike says why two records may be of the same request, if they may.
func alike(a, b *Brief) Join {
	const token = string(review.Authenticate)
	far := apart(a, b)
	switch {
	case a.Path == token || b.Path == token:
		if a.Credential != "" && a.Credential == b.Credential && far <= keptFor {
			return JoinCredential
		}
	case far <= nearBy && sameObject(a, b) && (a.User == b.User || a.User == "" || b.User == ""):
		return JoinObject
	}
	return ""
}

// sameObject reports whether two records may be about the same object; one that is created under a name the API server makes has none at first.
func sameObject(a, b *Brief) bool {
	s, t := a.Target, b.Target
	s.Kind, t.Kind = "", "" // questions about access do not say it
	if s.Name == "" || t.Name == "" {
		s.Name, t.Name = "", ""
	}
	return s == t && (s.Resource != "" || s.Path != "")
}

func apart(a, b *Brief) time.Duration { return a.Time.Sub(b.Time).Abs() }
