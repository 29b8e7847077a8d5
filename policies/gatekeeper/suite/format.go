package suite

import "encoding/json"

// The groups and the kind of suites.
const (
	gatekeepersGroup = "test.gatekeeper.sh"
	ownGroup         = "test.portcullis.dev"
	suiteKind        = "Suite"
	ownVersion       = ownGroup + "/v1alpha1"
)

// Suite is one file of tests.
type Suite struct {
	File  string   `json:"-"`
	Notes []string `json:"-"` // what is no fault and should be known, each a sentence behind file and row
	Skip  bool     `json:"skip"`
	Tests []Test   `json:"tests"`

	own bool // of our format
}

// Test is about one constraint or, in our format, about any number of policies. Its files are named from the suite's directory.
type Test struct {
	Name       string `json:"name"`
	Template   string `json:"template"`
	Constraint string `json:"constraint"`
	Expansion  string `json:"expansion"`
	Invalid    bool   `json:"invalid"` // the constraint must not fit the schema of its kind
	Skip       bool   `json:"skip"`
	Cases      []Case `json:"cases"`

	// Of our format alone.
	Policies []string `json:"policies"` // files, directories and library:NAME
	Mutators []string `json:"mutators"` // files and directories with mutators that are no Rego

	at string
}

// Case is one question, and what is expected of the answer.
type Case struct {
	Name       string      `json:"name"`
	Object     string      `json:"object"`
	Inventory  []string    `json:"inventory"`
	Skip       bool        `json:"skip"`
	Assertions []Assertion `json:"assertions"`

	// Of our format alone.
	Operation string `json:"operation"` // CREATE, UPDATE or DELETE
	OldObject string `json:"oldObject"`
	User      *User  `json:"user"`

	at string
}

// User is who asks, or who is expected to.
type User struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// Assertion is one thing that is expected.
type Assertion struct {
	Violations json.RawMessage `json:"violations"` // "yes", "no" or how many; nothing is "yes"
	Message    *string         `json:"message"`    // a regular expression; which violations are counted

	// Of our format alone.
	Policy   string `json:"policy"`   // whose violations are counted
	Effect   string `json:"effect"`   // which of them are: deny, warn or audit
	Verdict  string `json:"verdict"`  // deny, allow or no-opinion
	Identity *User  `json:"identity"` // whose token it is; what is not given is not looked at
	Object   string `json:"object"`   // the file with what mutation makes of the object

	at string
}

// foreign takes away what Gatekeeper's suites do not have.
func (s *Suite) foreign() {
	for i := range s.Tests {
		t := &s.Tests[i]
		t.Policies, t.Mutators = nil, nil
		for j := range t.Cases {
			c := &t.Cases[j]
			c.Operation, c.OldObject, c.User = "", "", nil
			for k := range c.Assertions {
				a := &c.Assertions[k]
				c.Assertions[k] = Assertion{Violations: a.Violations, Message: a.Message, at: a.at}
			}
		}
	}
}
