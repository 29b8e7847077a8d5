package policies

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// violations reads the value of a rule violation: every element that has a msg is a finding, and those of the same msg and details are one.
// What has none says nothing, and a msg that is not text makes the whole worthless.
func violations(policy string, effect review.Effect, value ast.Value) ([]review.Finding, error) {
	if value == nil { // as of nearly every rule, which its plan found to say nothing
		return nil, nil
	}
	var out []review.Finding
	known := ast.NewSet()
	err := members(value, func(term *ast.Term) error {
		object, ok := term.Value.(ast.Object)
		if !ok {
			return nil
		}
		msg := object.Get(ast.InternedTerm("msg"))
		if msg == nil {
			return nil
		}
		text, ok := msg.Value.(ast.String)
		if !ok {
			return fmt.Errorf("it returns a violation whose msg is %s, not a sentence", ast.ValueName(msg.Value))
		}
		details := object.Get(ast.InternedTerm("details"))
		if details == nil {
			details = ast.InternedEmptyObject
		}
		same := ast.ArrayTerm(msg, details)
		if known.Contains(same) {
			return nil
		}
		known.Add(same)
		finding := review.Finding{Policy: policy, Effect: effect}
		finding.Say(string(text))
		if !details.Equal(ast.InternedEmptyObject) {
			decoded, err := ast.JSON(details.Value)
			if err != nil {
				return fmt.Errorf("it returns a violation whose details are not JSON: %w", err)
			}
			finding.Details = decoded
		}
		out = append(out, finding)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// members calls each with what violation[r] would bind r to.
func members(value ast.Value, each func(*ast.Term) error) error {
	switch v := value.(type) {
	case ast.Set:
		return v.Iter(each)
	case ast.Object:
		return v.Iter(func(key, _ *ast.Term) error { return each(key) })
	default: // the positions in an array have no msg, and in anything else there is nothing
		return nil
	}
}
