package suite

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Filter chooses tests and cases by their names. Its zero value chooses all.
type Filter struct {
	test, inTest *regexp.Regexp // of "test//case"
	either       *regexp.Regexp
}

// ParseFilter reads "testRegex//caseRegex", which chooses the cases that the second finds in tests that the first finds, or one regular
// expression, which chooses tests with all their cases, and cases. The expressions are sought anywhere in a name.
func ParseFilter(text string) (f Filter, err error) {
	if text == "" {
		return f, nil
	}
	parts := strings.Split(text, "//")
	switch len(parts) {
	case 1:
		f.either, err = regexp.Compile(text)
	case 2:
		if f.test, err = regexp.Compile(parts[0]); err == nil {
			f.inTest, err = regexp.Compile(parts[1])
		}
	default:
		err = errors.New(`"//" stands between the name of a test and that of a case, and is there once`)
	}
	if err != nil {
		return Filter{}, fmt.Errorf("the filter %q cannot be read: %w", text, err)
	}
	return f, nil
}

func (f Filter) tests(t *Test) bool {
	switch {
	case f.test != nil:
		return f.test.MatchString(t.Name)
	case f.either != nil:
		for i := range t.Cases {
			if f.cases(t, &t.Cases[i]) {
				return true
			}
		}
		return f.either.MatchString(t.Name)
	}
	return true
}

func (f Filter) cases(t *Test, c *Case) bool {
	switch {
	case f.test != nil:
		return f.test.MatchString(t.Name) && f.inTest.MatchString(c.Name)
	case f.either != nil:
		return f.either.MatchString(t.Name) || f.either.MatchString(c.Name)
	}
	return true
}
