package gatekeeper

// readAssignMetadata reads what AssignMetadata does: it adds a label or an annotation to an object that does not have it. What is there
// stays, whoever put it there.
func (m *Mutator) readAssignMetadata(f field) error {
	if !oneMore(m.location, "metadata", "labels") && !oneMore(m.location, "metadata", "annotations") {
		return locationField().wrong("it must be metadata.labels or metadata.annotations and the name of one of them")
	}
	parameters, err := f.object("assign")
	if err != nil {
		return err
	}
	assign := parameters.get("assign")
	value, err := readValue(assign)
	if err != nil {
		return err
	}
	if _, ok := value.constant.(string); !ok && value.from == "" && value.external == nil {
		return field{append(assign.at, "value"), value.constant}.not("a string")
	}
	m.setter, m.tests = assigned{value}, tests{2: mustNotExist}
	return nil
}

// oneMore reports whether a path is one of the names, and one more.
func oneMore(p path, names ...string) bool {
	if len(p) != len(names)+1 || p.last().list {
		return false
	}
	for i, name := range names {
		if p[i] != (node{name: name}) {
			return false
		}
	}
	return true
}
