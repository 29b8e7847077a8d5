package replay

// Kind is a way in which an answer would change.
type Kind string

// The kinds, the gravest first.
const (
	Denied   Kind = "denied"   // it was let through, and would not be
	Allowed  Kind = "allowed"  // it was stopped, and would not be
	Patched  Kind = "patched"  // something else would be made of the object
	Warned   Kind = "warned"   // there would be a warning that there was not
	Unwarned Kind = "unwarned" // there was a warning that there would not be
)

// Kinds lists them in that order.
func Kinds() []Kind { return []Kind{Denied, Allowed, Patched, Warned, Unwarned} }

// change is what would change of one answer. The zero value is nothing.
type change struct {
	said map[Kind][]Said // what the policies say whose doing it is; none of them for a Kind whose doing cannot be told
	// unsaid is why it cannot be told whether something changes.
	unsaid []Said
}

func (c *change) add(k Kind, said []Said) {
	if c.said == nil {
		c.said = map[Kind][]Said{}
	}
	c.said[k] = said
}

// lostPatch is why patches cannot be compared.
const lostPatch = "what was changed then is not recorded, and so it cannot be told whether it would be changed otherwise"

// compare tells what would change of an answer about the object.
func compare(object []byte, before, after answer) (c change) {
	switch {
	case len(after.unsaid) > 0:
		c.unsaid = after.unsaid
	case len(before.unsaid) > 0:
		c.unsaid = before.unsaid
	case before.permitted && !after.permitted:
		said := after.refusals
		if len(said) == 0 { // what gave it then gives it no more
			said = before.grants
		}
		c.add(Denied, said)
	case !before.permitted && after.permitted:
		said := before.refusals
		if len(said) == 0 {
			said = after.grants
		}
		c.add(Allowed, said)
	case before.permitted:
		switch {
		case before.patchLost || after.patchLost:
			c.unsaid = []Said{{Message: lostPatch}}
		case !samePatch(object, before.patch, after.patch):
			c.add(Patched, nil)
		}
		if said := without(after.warnings, before.warnings); len(said) > 0 && !after.warningsLost {
			c.add(Warned, said)
		}
		if said := without(before.warnings, after.warnings); len(said) > 0 && !before.warningsLost && !after.warningsLost {
			c.add(Unwarned, said)
		}
	}
	return c
}

// erased stands in a record for what a policy said of a Secret.
const erased = "(erased)"

// without lists what is said and was not said among others.
func without(said, others []Said) (out []Said) {
	for _, s := range said {
		if !amongst(s, others) {
			out = append(out, s)
		}
	}
	return out
}

func amongst(s Said, others []Said) bool {
	for _, o := range others {
		if o == s || o.Policy == s.Policy && (o.Message == erased || s.Message == erased) {
			return true
		}
	}
	return false
}
