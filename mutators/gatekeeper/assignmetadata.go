package gatekeeper

// readAssignMetadata reads what AssignMetadata does: it adds a label or an annotation to an object that does not have it. What is there
// stays, whoever put it there.
func (m *Mutator) readAssignMetadata(f field) error {
	at := m.location
	if len(at) != 3 || at[0] != (node{name: "metadata"}) || at[1] != (node{name: "labels"}) && at[1] != (node{name: "annotations"}) || at[2].list {
		return field{at: []string{"spec", "location"}}.wrong("it must be metadata.labels or metadata.annotations and the name of one of them")
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
	if _, ok := value.constant.(string); !ok && value.from == "" {
		return field{append(assign.at, "value"), value.constant}.not("a string")
	}
	m.setter, m.tests = assigned{value}, tests{2: mustNotExist}
	return nil
}
