package replay

import (
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

func TestCompare(t *testing.T) {
	said := func(policy, message string) []Said { return []Said{{policy, message}} }
	yes, no := answer{permitted: true}, answer{refusals: said("a", "no")}
	const object = `{"a":{"b":1}}`
	for name, c := range map[string]struct {
		before, after answer
		want          []Kind
		unsaid        bool
	}{
		"the same":                      {before: yes, after: yes},
		"both refuse, with other words": {before: no, after: answer{refusals: said("b", "never")}},
		"newly denied":                  {before: yes, after: no, want: []Kind{Denied}},
		"newly allowed":                 {before: no, after: yes, want: []Kind{Allowed}},
		"granted no more":               {before: answer{permitted: true, grants: said("g", "yes")}, want: []Kind{Denied}},
		"a warning":                     {before: yes, after: answer{permitted: true, warnings: said("a", "hm")}, want: []Kind{Warned}},
		"a warning, where it is not known of any": {
			before: answer{permitted: true, warningsLost: true}, after: answer{permitted: true, warnings: said("a", "hm")}, want: []Kind{Warned},
		},
		"no warning any more": {before: answer{permitted: true, warnings: said("a", "hm")}, after: yes, want: []Kind{Unwarned}},
		"a patch":             {before: yes, after: answer{permitted: true, patch: []byte(`[{"op":"add","path":"/c","value":1}]`)}, want: []Kind{Patched}},
		"a patch to the same": {
			before: answer{permitted: true, patch: []byte(`[{"op":"replace","path":"/a","value":{"b":2.0}}]`)},
			after:  answer{permitted: true, patch: []byte(`[{"op":"replace","path":"/a/b","value":2.0}]`)},
		},
		"a patch that is lost":   {before: answer{permitted: true, patchLost: true}, after: yes, unsaid: true},
		"a patch that is wrong":  {before: answer{permitted: true, patch: []byte(`[{"op":"remove","path":"/x"}]`)}, after: yes, want: []Kind{Patched}},
		"what cannot be said":    {before: yes, after: answer{unsaid: said("a", "?")}, unsaid: true},
		"what could not be said": {before: answer{unsaid: said("a", "?")}, after: no, unsaid: true},
	} {
		got := compare([]byte(object), c.before, c.after)
		var kinds []Kind
		for _, k := range Kinds() {
			if _, ok := got.said[k]; ok {
				kinds = append(kinds, k)
			}
		}
		if !slices.Equal(kinds, c.want) || (len(got.unsaid) > 0) != c.unsaid {
			t.Errorf("%s: %q, could not be said %+v", name, kinds, got.unsaid)
		}
	}
}

// What a policy that could not be asked would have said changes nothing about another's refusal, and everything about a permission.
func TestAnswers(t *testing.T) {
	deny := review.Finding{Policy: "d", Effect: review.EffectDeny}
	allow := review.Finding{Policy: "g", Effect: review.EffectAllow}
	unknown := review.Finding{Policy: "u", Effect: review.EffectDeny, Fault: true, Unknown: true}
	lifted := review.Finding{Policy: "u", Effect: review.EffectExcepted, Fault: true, Unknown: true}
	faulty := review.Finding{Policy: "f", Effect: review.EffectDeny, Fault: true}
	for name, c := range map[string]struct {
		stage             review.Stage
		verdict           review.Verdict
		findings          []review.Finding
		permitted, unsaid bool
	}{
		"refused by one, another unknown": {review.Validate, review.Deny, []review.Finding{unknown, deny}, false, false},
		"unknown":                         {review.Validate, review.Deny, []review.Finding{unknown}, false, true},
		"unknown and lifted":              {review.Validate, review.Allow, []review.Finding{lifted}, true, false},
		"a fault that would be the same":  {review.Validate, review.Deny, []review.Finding{faulty}, false, false},
		"a guard without an opinion":      {review.Guard, review.NoOpinion, nil, true, false},
		"a grant without an opinion":      {review.Grant, review.NoOpinion, nil, false, false},
		"a grant, another unknown":        {review.Grant, review.Allow, []review.Finding{unknown, allow}, true, false},
		"no grant, one unknown":           {review.Grant, review.NoOpinion, []review.Finding{unknown}, false, true},
		"a token of nobody":               {review.Authenticate, review.NoOpinion, nil, false, false},
	} {
		got := answerOf(c.stage, review.Decision{Verdict: c.verdict, Findings: c.findings})
		if got.permitted != c.permitted || (len(got.unsaid) > 0) != c.unsaid {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
