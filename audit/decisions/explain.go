package decisions

import "strings"

// Explanation is a record with what is needed to understand it.
type Explanation struct {
	Brief   Brief     `json:"brief"`
	Record  Record    `json:"record"`
	Edits   []Edit    `json:"edits,omitempty"`   // what the patch changes, in its order
	More    int       `json:"more,omitempty"`    // edits that are left out, for want of room
	Unshown string    `json:"unshown,omitempty"` // a sentence: why edits, or what stood there before, are not shown
	Related []Related `json:"related,omitempty"` // the nearest in time first
}

// Explain returns the record with an ID and what belongs to it, as far as may says that it may be shown; false if there is none, or it may not be.
func (r *Recent) Explain(id string, may func(*Brief) bool) (Explanation, bool) {
	all := r.snapshot()
	k := find(all, id)
	if k == nil || !may(&k.brief) {
		return Explanation{}, false
	}
	record, err := Parse(k.line)
	if err != nil { // cannot be: it was read when it was kept
		return Explanation{}, false
	}
	out := Explanation{Brief: k.brief, Record: record, Related: related(&k.brief, all, may)}
	out.patched()
	return out, true
}

// Related returns what belongs to a record that another replica keeps, as far as may says that it may be shown.
func (r *Recent) Related(of *Brief, may func(*Brief) bool) []Related {
	return related(of, r.snapshot(), may)
}

// Why edits are not shown as they are.
const (
	patchErased = "What was changed was taken out of the record."
	patchOdd    = "What was changed cannot be shown: it does not fit the object in the record."
	objectGone  = "What stood there before was taken out of the record."
)

// patched says what the patch changes.
func (e *Explanation) patched() {
	if e.Record.Result == nil || len(e.Record.Result.Patch) == 0 {
		return
	}
	if string(e.Record.Result.Patch) == erasedText {
		e.Unshown = patchErased
		return
	}
	var object []byte
	if req := requestOf(&e.Record); req != nil {
		object = req.Object
	}
	if len(object) == 0 || string(object) == erasedText {
		object, e.Unshown = nil, objectGone
	}
	var err error
	if e.Edits, e.More, err = edits(object, e.Record.Result.Patch); err == nil {
		return
	}
	e.Edits, e.More, e.Unshown = nil, 0, patchOdd
	for _, pointer := range e.Record.Erased {
		if strings.HasPrefix(pointer, "/input/request/object") || strings.HasPrefix(pointer, "/result/patch") {
			e.Unshown = patchErased
		}
	}
}
