package registration

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	admissioncel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	rulematcher "k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
)

// request is one that the API server may ask webhooks about.
type request struct {
	Resource
	operation       admissionregistrationv1.OperationType
	namespace, name string
	user            string
	groups          []string
	object, before  any // what is written, and what was there; nil is an object of which nothing is known
}

func (r request) attributes() admission.Attributes {
	kind := schema.GroupVersionKind{Group: r.Group, Version: "v1", Kind: "Any"}
	as := func(written any) runtime.Object {
		out := &unstructured.Unstructured{Object: map[string]any{}}
		if written != nil {
			var err error
			if out.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(written); err != nil {
				panic(err)
			}
		}
		out.SetGroupVersionKind(kind)
		return out
	}
	var now, before runtime.Object
	switch r.operation {
	case admissionregistrationv1.Update:
		now, before = as(r.object), as(r.before)
	case admissionregistrationv1.Delete:
		before = as(r.before)
	default:
		now = as(r.object)
	}
	return admission.NewAttributesRecord(now, before, kind, r.namespace, r.name,
		schema.GroupVersionResource{Group: r.Group, Version: "v1", Resource: r.Resource.Resource}, r.Subresource,
		admission.Operation(r.operation), nil, false, &user.DefaultInfo{Name: r.user, Groups: r.groups})
}

// judge answers, by the API server's own code, whether a webhook is asked about a request.
type judge struct {
	hook     admissionregistrationv1.MutatingWebhook
	selector labels.Selector
	matcher  matchconditions.Matcher
}

func newJudge(t testing.TB, hook admissionregistrationv1.MutatingWebhook) *judge {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(hook.NamespaceSelector)
	if err != nil {
		t.Fatal(err)
	}
	environments := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	variables := admissioncel.OptionalVariableDeclarations{HasAuthorizer: true}
	var expressions []admissioncel.ExpressionAccessor
	for _, condition := range hook.MatchConditions {
		expression := matchconditions.MatchCondition(condition)
		result := admissioncel.NewCompiler(environments).CompileCELExpression(&expression, variables, environment.NewExpressions)
		if result.Error != nil {
			t.Fatalf("%s: %v\n%s", condition.Name, result.Error, condition.Expression)
		}
		expressions = append(expressions, &expression)
	}
	evaluator := admissioncel.NewConditionCompiler(environments).CompileCondition(expressions, variables, environment.StoredExpressions)
	// With Fail an expression that has no value is an error.
	return &judge{hook, selector, matchconditions.NewMatcher(evaluator, new(admissionregistrationv1.Fail), "webhook", "admit", hook.Name)}
}

func (j *judge) asks(t testing.TB, r request) bool {
	t.Helper()
	attributes := r.attributes()
	if r.namespace != "" || r.Resource.Resource == "namespaces" {
		namespace := r.namespace
		if namespace == "" {
			namespace = r.name
		}
		if !j.selector.Matches(labels.Set{corev1.LabelMetadataName: namespace}) {
			return false
		}
	}
	ruled := false
	for _, rule := range j.hook.Rules {
		m := rulematcher.Matcher{Rule: rule, Attr: attributes}
		ruled = ruled || m.Matches()
	}
	if !ruled {
		return false
	}
	result := j.matcher.Match(t.Context(), &admission.VersionedAttributes{
		Attributes: attributes, VersionedKind: attributes.GetKind(), VersionedObject: admission.NewLazyObject(attributes.GetObject()), VersionedOldObject: admission.NewLazyObject(attributes.GetOldObject()),
	}, nil, nil)
	if result.Error != nil {
		t.Fatalf("%+v: a condition has no value: %v", r, result.Error)
	}
	return result.Matches
}

// judges are those of the webhooks of a phase that ask policies, by name.
func judges(t testing.TB, phase Phase, c Configurations) map[string]*judge {
	t.Helper()
	hooks := c.Mutating.Webhooks
	if phase == Validate {
		hooks = nil
		for _, hook := range c.Validating.Webhooks {
			o, err := convert[admissionregistrationv1.MutatingWebhook](hook)
			if err != nil {
				t.Fatal(err)
			}
			hooks = append(hooks, *o)
		}
	}
	out := map[string]*judge{}
	for _, hook := range hooks {
		if hook.Name != probeName(phase) {
			out[hook.Name] = newJudge(t, hook)
		}
	}
	return out
}

const (
	nobody = iota
	observed
	enforced
)

// level says how a request is asked about.
func level(t testing.TB, phase Phase, judges map[string]*judge, r request) int {
	t.Helper()
	for _, l := range []struct {
		name  string
		level int
	}{{enforceName(phase), enforced}, {observeName(phase), observed}} {
		if j := judges[l.name]; j != nil && j.asks(t, r) {
			return l.level
		}
	}
	return nobody
}
