package gatekeeper

import (
	"errors"
	"fmt"
)

// ErrSchema is what errors of a constraint wrap of which a value does not fit the schema of its kind: Gatekeeper's suites call such a
// constraint invalid, and no other that is not accepted.
var ErrSchema = errors.New("the constraint does not fit the schema of its kind")

// ErrNoTemplate is what errors of a constraint wrap that has no template: that was deleted, or is still to come.
var ErrNoTemplate = errors.New("there is no ConstraintTemplate for this kind")

// CodeOf is what Gatekeeper's statuses call an error of a template, as "rego_parse_error"; empty if it is none of those.
func CodeOf(err error) string {
	if known, ok := errors.AsType[coded](err); ok {
		return known.code
	}
	return ""
}

// The codes of what is not the Rego's, for which OPA has its own.
const codeConversion = "conversion_error" // the object is not one that can be read as a template

// coded is an error of which the code is known.
type coded struct {
	code string
	err  error
}

func (e coded) Error() string { return e.err.Error() }
func (e coded) Unwrap() error { return e.err }

// misplaced is an error of which it is known under which path of the object it is.
type misplaced struct {
	path []string
	err  error
}

func (e *misplaced) Error() string { return e.err.Error() }
func (e *misplaced) Unwrap() error { return e.err }

// under says that an error is about what stands under a path.
func under(err error, path ...string) error { return &misplaced{path, err} }

// schematic is an error that is ErrSchema.
type schematic struct{ err error }

func (e schematic) Error() string        { return e.err.Error() }
func (e schematic) Unwrap() error        { return e.err }
func (e schematic) Is(target error) bool { return target == ErrSchema }

// located is an error whose text names file and row already.
type located struct{ err error }

func (e located) Error() string { return e.err.Error() }
func (e located) Unwrap() error { return e.err }

// blame begins an error with its place in the object and with whom it is about.
func (u *unit) blame(err error) error {
	if there, ok := errors.AsType[located](err); ok {
		if code := CodeOf(err); code != "" {
			return coded{code, there.err}
		}
		return there.err
	}
	at := ""
	if wrong, ok := errors.AsType[*misplaced](err); ok {
		at = u.at(wrong.path...)
	} else {
		at = u.at()
	}
	return fmt.Errorf("%s: %s %s: %w", at, u.object.GetKind(), u.object.GetName(), err)
}
