package contract

import (
	"regexp"
	"testing"
)

// marked splits the mark from a reason: the id of the decision's record, empty where there is none.
func marked(reason string) (said, id string) {
	found := regexp.MustCompile(`^(.*) \(decision ([A-Z2-7]{26})\)$`).FindStringSubmatch(reason)
	if found == nil {
		return reason, ""
	}
	return found[1], found[2]
}

// said is a reason without the mark, which every reason but the empty one of an authorizer of ours must have.
func said(t *testing.T, reason string) string {
	t.Helper()
	text, id := marked(reason)
	if (id == "") != (reason == "") {
		t.Errorf("the reason %q has no mark of its decision", reason)
	}
	return text
}
