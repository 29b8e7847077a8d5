package gatekeeper

import (
	"errors"
	"fmt"
)

// ErrSchema is what errors of a constraint wrap of which a value does not fit the schema of its kind: Gatekeeper's suites call such a
// constraint invalid, and no other that is not accepted.
var ErrSchema = errors.New("the constraint does not fit the schema of its kind")

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
