package policies

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// findings reads the value of a deny, warn or allow rule of a policy: a set of sentences or of objects with a message.
func findings(policy Spec, effect review.Effect, value ast.Value) ([]review.Finding, error) {
	var out []review.Finding
	err := elements(value, func(term *ast.Term) error {
		finding := review.Finding{Policy: policy.ID, Effect: effect}
		switch v := term.Value.(type) {
		case ast.String:
			finding.Message = string(v)
		case ast.Object:
			if err := findingMembers(v, &finding); err != nil {
				return err
			}
			if !policy.Lenient {
				if err := onlyKnown(v); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("it returns %s where a finding should be a sentence or an object with a message", ast.ValueName(term.Value))
		}
		finding.Say(finding.Message)
		out = append(out, finding)
		return nil
	})
	return out, err
}

// findingMembers reads {message, field, details}. Policies written for other servers spell the first "msg".
func findingMembers(object ast.Object, finding *review.Finding) error {
	for _, name := range []string{"message", "msg"} {
		if message := object.Get(ast.InternedTerm(name)); message != nil {
			text, ok := message.Value.(ast.String)
			if !ok {
				return fmt.Errorf("it returns a finding whose %s is %s, not a sentence", name, ast.ValueName(message.Value))
			}
			finding.Message = string(text)
			break
		}
	}
	if finding.Message == "" {
		return errors.New("it returns a finding without a message")
	}
	if field := object.Get(ast.InternedTerm("field")); field != nil {
		finding.Field = review.Sentence(fieldPath(field.Value), review.MaxMessage)
	}
	if details := object.Get(ast.InternedTerm("details")); details != nil {
		decoded, err := ast.JSON(details.Value)
		if err != nil {
			return fmt.Errorf("it returns a finding whose details are not JSON: %w", err)
		}
		finding.Details = decoded
	}
	return nil
}

// onlyKnown refuses members that findings do not have: a misspelt one would be missing in the report. Policies written for other servers
// may have some of their own.
func onlyKnown(finding ast.Object) error {
	for _, key := range finding.Keys() {
		switch key.Value {
		case ast.String("message"), ast.String("msg"), ast.String("field"), ast.String("details"):
		default:
			return fmt.Errorf("it returns a finding with an unknown member %s; a finding has message, field and details", key)
		}
	}
	return nil
}

// fieldPath spells a field as users write it; policies may return it so or as an array of segments.
func fieldPath(value ast.Value) string {
	array, ok := value.(*ast.Array)
	if !ok {
		if text, ok := value.(ast.String); ok {
			return string(text)
		}
		return value.String()
	}
	var out strings.Builder
	array.Foreach(func(term *ast.Term) {
		switch v := term.Value.(type) {
		case ast.String:
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(string(v))
		default:
			fmt.Fprintf(&out, "[%s]", v)
		}
	})
	return out.String()
}

// elements calls each with every element of a set or array, in order.
func elements(value ast.Value, each func(*ast.Term) error) error {
	switch v := value.(type) {
	case nil:
		return nil
	case ast.Set:
		return v.Iter(each)
	case *ast.Array:
		return v.Iter(each)
	default:
		return fmt.Errorf("it returns %s where a set should be", ast.ValueName(value))
	}
}

// edits reads the value of a mutate rule.
func edits(policy string, onFault review.Effect, value ast.Value) ([]review.Edit, error) {
	var out []review.Edit
	err := elements(value, func(term *ast.Term) error {
		object, ok := term.Value.(ast.Object)
		if !ok {
			return fmt.Errorf("it returns %s where an edit should be an object", ast.ValueName(term.Value))
		}
		edit, err := readEdit(object)
		edit.Policy, edit.OnFault = policy, onFault
		out = append(out, edit)
		return err
	})
	return out, err
}

func readEdit(object ast.Object) (review.Edit, error) {
	var edit review.Edit
	valued := false
	err := object.Iter(func(key, value *ast.Term) (err error) {
		name, _ := key.Value.(ast.String)
		switch name {
		case "set", "default", "remove", "append":
			if edit.Op != "" {
				return fmt.Errorf("it returns an edit that is both %s and %s", edit.Op, name)
			}
			edit.Op = review.EditOp(name)
			edit.Path, err = readPath(value.Value)
		case "value":
			valued = true
			edit.Value, err = ast.JSON(value.Value)
		case "key":
			text, ok := value.Value.(ast.String)
			if !ok {
				return errors.New("it returns an edit whose key is not a string")
			}
			edit.Key = string(text)
		default:
			return fmt.Errorf("it returns an edit with an unknown member %s", key)
		}
		return err
	})
	switch {
	case err != nil:
		return edit, err
	case edit.Op == "":
		return edit, errors.New("it returns an edit without set, default, remove or append")
	case valued == (edit.Op == review.EditRemove):
		return edit, fmt.Errorf("it returns an edit to %s with no value, or one to remove with a value", edit.Op)
	case edit.Key != "" && edit.Op != review.EditAppend:
		return edit, fmt.Errorf("it returns an edit to %s with a key, which only append takes", edit.Op)
	}
	return edit, nil
}

func readPath(value ast.Value) ([]review.Segment, error) {
	array, ok := value.(*ast.Array)
	if !ok || array.Len() == 0 {
		return nil, errors.New(`it returns an edit whose path is not an array of segments such as ["metadata", "labels"]`)
	}
	path := make([]review.Segment, 0, array.Len())
	err := array.Iter(func(term *ast.Term) error {
		switch v := term.Value.(type) {
		case ast.String:
			path = append(path, review.Segment{Name: string(v)})
		case ast.Number:
			index, ok := v.Int()
			if !ok || index < 0 {
				return fmt.Errorf("it returns an edit with the position %s in its path", v)
			}
			path = append(path, review.Segment{ByIndex: true, Index: index})
		case ast.Object:
			where := map[string]string{}
			v.Foreach(func(key, value *ast.Term) {
				k, _ := key.Value.(ast.String)
				text, ok := value.Value.(ast.String)
				if ok {
					where[string(k)] = string(text)
				}
			})
			if len(where) == 0 || len(where) != v.Len() {
				return fmt.Errorf("it returns an edit with the segment %s, which should name members and their text", v)
			}
			path = append(path, review.Segment{Where: where})
		default:
			return fmt.Errorf("it returns an edit with %s in its path", ast.ValueName(term.Value))
		}
		return nil
	})
	return path, err
}
