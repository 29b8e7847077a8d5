package gatekeeper

// condition is what a path test asks of a place.
type condition string

const (
	mustExist    condition = "MustExist"
	mustNotExist condition = "MustNotExist"
)

// tests are the conditions of the steps of a location, by the number of the step.
type tests map[int]condition

// allow reports whether it may be that something stands, or nothing, at a step.
func (t tests) allow(step int, exists bool) bool {
	switch t[step] {
	case mustExist:
		return exists
	case mustNotExist:
		return !exists
	}
	return true
}

// readTests reads parameters.pathTests. A test of no path at all is of the object itself, and passed over as in Gatekeeper. Contradictions
// are refused: a mutator with one would never do anything.
func readTests(f field, location path) (tests, error) {
	list, err := f.list()
	if err != nil {
		return nil, err
	}
	out := tests{}
	for _, f := range list {
		members, err := f.object("condition", "subPath")
		if err != nil {
			return nil, err
		}
		text, err := members.get("subPath").text()
		if err != nil {
			return nil, err
		}
		sub, err := parsePath(text)
		if err != nil {
			return nil, members.get("subPath").wrong("%w", err)
		}
		if !sub.begins(location) {
			return nil, members.get("subPath").wrong("%s is no beginning of the location %s; only what lies on its way can be tested", sub, location)
		}
		wanted, err := members.get("condition").text()
		if err != nil {
			return nil, err
		}
		c := condition(wanted)
		if c != mustExist && c != mustNotExist {
			return nil, members.get("condition").wrong("%q is no condition; there are %s and %s", c, mustExist, mustNotExist)
		}
		if len(sub) == 0 {
			continue
		}
		if before, tested := out[len(sub)-1]; tested && before != c {
			return nil, f.wrong("%s both must and must not exist, so that the mutator would never do anything", sub)
		}
		out[len(sub)-1] = c
	}
	for no := range location {
		for must := no + 1; must < len(location); must++ {
			if out[no] == mustNotExist && out[must] == mustExist {
				return nil, f.wrong("%s must exist in %s, which must not, so that the mutator would never do anything",
					location[:must+1], location[:no+1])
			}
		}
	}
	return out, nil
}
