package suite

// Outcome is what came of a suite, a test or a case.
type Outcome string

// The outcomes. Error is not Failed: what could not be read or asked has not been found wrong.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Error   Outcome = "error"
	Skipped Outcome = "skipped"
)

// Report is what came of all suites; as JSON it is what "verify -o json" prints.
type Report struct {
	Suites []SuiteResult `json:"suites"` // in the order of their files
	Tally
}

// Tally counts outcomes of cases. As one case counts a test that is passed over as a whole, that cannot be run, or that is of an invalid
// constraint, and a suite that cannot be read. A test that was run and has no cases counts as none.
type Tally struct {
	Cases   int `json:"cases"`
	Failed  int `json:"failed"`
	Errors  int `json:"errors"`
	Skipped int `json:"skipped"`
}

// SuiteResult is what came of one suite.
type SuiteResult struct {
	File    string       `json:"file"`
	Outcome Outcome      `json:"outcome"` // the worst of its tests'
	Seconds float64      `json:"seconds"`
	Error   string       `json:"error,omitempty"` // why it could not be read, behind file and row
	Notes   []string     `json:"notes,omitempty"` // what is no fault and should be known, each behind file and row
	Tests   []TestResult `json:"tests"`
}

// TestResult is what came of one test.
type TestResult struct {
	Name    string       `json:"name"`
	At      string       `json:"at"` // file:row
	Outcome Outcome      `json:"outcome"`
	Seconds float64      `json:"seconds"`
	Error   string       `json:"error,omitempty"`   // why it could not be run, behind file and row
	Failure string       `json:"failure,omitempty"` // of a test of an invalid constraint: what came of it instead
	Invalid bool         `json:"invalid,omitempty"` // it is of an invalid constraint, and has no cases
	Cases   []CaseResult `json:"cases"`
}

// IsCase reports whether a test without cases counts as one: unless it was run, and nothing was there to test.
func (t TestResult) IsCase() bool { return len(t.Cases) == 0 && (t.Invalid || t.Outcome != OK) }

// CaseResult is what came of one case.
type CaseResult struct {
	Name     string    `json:"name"`
	At       string    `json:"at"` // file:row
	Outcome  Outcome   `json:"outcome"`
	Seconds  float64   `json:"seconds"`
	Error    string    `json:"error,omitempty"` // why it could not be judged, behind file and row
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is one assertion that does not hold.
type Failure struct {
	At   string   `json:"at"`   // file:row of the assertion
	Want string   `json:"want"` // what was expected, and what came, in words
	Got  []string `json:"got"`  // the messages of all violations, whichever of them were counted; null if it is not about violations
}

// worse is the worse of two outcomes. Skipped is the least: a suite of which a test was run has been run.
func worse(a, b Outcome) Outcome {
	for _, o := range []Outcome{Error, Failed, OK} {
		if a == o || b == o {
			return o
		}
	}
	return Skipped
}

// Add counts a suite among those of the report.
func (r *Report) Add(s SuiteResult) {
	r.Suites = append(r.Suites, s)
	if s.Error != "" {
		r.count(Error)
	}
	for _, t := range s.Tests {
		if t.IsCase() {
			r.count(t.Outcome)
		}
		for _, c := range t.Cases {
			r.count(c.Outcome)
		}
	}
}

// count counts one outcome.
func (t *Tally) count(o Outcome) {
	t.Cases++
	switch o {
	case Failed:
		t.Failed++
	case Error:
		t.Errors++
	case Skipped:
		t.Skipped++
	case OK:
	}
}

// Tally counts what came of one suite.
func (s SuiteResult) Tally() Tally {
	var r Report
	r.Add(s)
	return r.Tally
}
