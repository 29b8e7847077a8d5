package policies

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

func TestAnUpdateIsJudgedByWhatItChanges(t *testing.T) {
	const before = `{"metadata": {"finalizers": ["a"]}, "spec": {"replicas": 1, "template": {"spec": {"x": 1}},
		"containers": [{"image": "a", "x": 1}, {"image": "b"}]}}`
	for _, c := range []struct {
		name    string
		changes []Path
		after   string
		judged  bool
	}{
		{"nothing", []Path{"spec"}, before, false},
		{
			"the order of members, and how numbers are written",
			[]Path{"spec"},
			`{"spec": {"containers": [{"x": 1.0, "image": "a"}, {"image": "b"}], "template": {"spec": {"x": 1}}, "replicas": 1}}`, false,
		},
		{"a finalizer", []Path{"spec", "metadata.labels"}, `{"metadata": {}, "spec": {"replicas": 1, "template": {"spec": {"x": 1}}, "containers": [{"image": "a", "x": 1}, {"image": "b"}]}}`, false},
		{"a label that came", []Path{"spec", "metadata.labels"}, `{"metadata": {"labels": {}}, "spec": {"replicas": 1, "template": {"spec": {"x": 1}}, "containers": [{"image": "a", "x": 1}, {"image": "b"}]}}`, true},
		{"a number", []Path{"spec"}, `{"spec": {"replicas": 2, "template": {"spec": {"x": 1}}, "containers": [{"image": "a", "x": 1}, {"image": "b"}]}}`, true},
		{"a number beside it", []Path{"spec.template", "spec.containers.image"}, `{"spec": {"replicas": 2, "template": {"spec": {"x": 1}}, "containers": [{"image": "a", "x": 2}, {"image": "b"}]}}`, false},
		{"one of several", []Path{"spec.template", "spec.containers.image"}, `{"spec": {"template": {"spec": {"x": 2}}, "containers": [{"image": "a"}, {"image": "b"}]}}`, true},
		{"an element", []Path{"spec.containers.image"}, `{"spec": {"containers": [{"image": "a"}, {"image": "c"}]}}`, true},
		{"an element more", []Path{"spec.containers.image"}, `{"spec": {"containers": [{"image": "a"}, {"image": "b"}, {}]}}`, true},
		{"an element without it", []Path{"spec.containers.image"}, `{"spec": {"containers": [{"image": "a"}, {"x": 1}]}}`, true},
		{"the order of elements", []Path{"spec.containers.image"}, `{"spec": {"containers": [{"image": "b"}, {"image": "a"}]}}`, true},
		{"no list any more", []Path{"spec.containers.image"}, `{"spec": {"containers": {"image": "a"}}}`, true},
		{"null", []Path{"spec.containers.image"}, `{"spec": {"containers": null}}`, true},
		{"what leads there", []Path{"spec.containers.image"}, `{"spec": null}`, true},
		{"what it does not have", []Path{"spec.pod"}, before, true},
		{"what it does not have, and what it has", []Path{"spec.pod", "spec.template"}, before, false},
		{"below metadata", []Path{"metadata.labels"}, before, false},
		{"whatever", nil, before, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := &review.Request{Verb: "update", OldObject: review.Raw(before), Object: review.Raw(c.after)}
			match := Match{Changes: c.changes}
			if judged, err := (&alteration{req: req}).concerns(match); err != nil || judged != c.judged {
				t.Errorf("judged: %v %v", judged, err)
			}
			back := &review.Request{Verb: "update", OldObject: review.Raw(c.after), Object: review.Raw(before)}
			if judged, err := (&alteration{req: back}).concerns(match); err != nil || judged != c.judged {
				t.Errorf("the other way round: %v %v", judged, err)
			}
		})
	}
}

func TestWhatIsNoUpdateIsJudgedWhateverItChanges(t *testing.T) {
	object := review.Raw(`{"spec": {}}`)
	match := Match{Changes: []Path{"spec"}}
	for name, req := range map[string]review.Request{
		"CREATE":                        {Verb: "create", Object: object},
		"DELETE":                        {Verb: "delete", OldObject: object},
		"an UPDATE without what it was": {Verb: "update", Object: object},
		"CONNECT":                       {Verb: "connect", Object: object},
	} {
		if judged, err := (&alteration{req: &req}).concerns(match); err != nil || !judged {
			t.Errorf("%s: judged %v %v", name, judged, err)
		}
	}
	unreadable := &review.Request{Verb: "update", Object: object, OldObject: review.Raw(`{"spec": `)}
	if _, err := (&alteration{req: unreadable}).concerns(match); err == nil {
		t.Error("an object that cannot be read is no fault")
	}
}

// A label by which a policy is asked may come later than all that it judges.
func TestALabelThatSelectsIsAChange(t *testing.T) {
	req := &review.Request{
		Verb: "update", OldObject: review.Raw(`{"metadata": {}, "spec": {}}`), Object: review.Raw(`{"metadata": {"labels": {"app": "web"}}, "spec": {}}`),
	}
	selector, err := labels.Parse("app=web")
	if err != nil {
		t.Fatal(err)
	}
	a := &alteration{req: req}
	if judged, err := a.concerns(Match{Changes: []Path{"spec"}, Labels: selector}); err != nil || !judged {
		t.Errorf("judged: %v %v", judged, err)
	}
	if judged, err := a.concerns(Match{Changes: []Path{"spec"}}); err != nil || judged {
		t.Errorf("without the selector, judged: %v %v", judged, err)
	}
}
