package policies

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// helpers are like those of the library that policies import: not all of what is in it is reached by all of them.
const helpers = `package helpers

operation := input.request.operation

object := input.request.oldObject if input.request.operation == "DELETE"

object := input.request.object if input.request.operation != "DELETE"

old_object := input.request.oldObject if input.request.oldObject != null

username := name if {
	name := input.request.userInfo.username
} else := input.spec.user

updated if operation == "UPDATE"

created if operation == "CREATE"

named(request) if request.userInfo.username == "me"
`

func TestWhichPoliciesAreUnaudited(t *testing.T) {
	for name, c := range map[string]struct{ rego, want string }{
		"the object":                     {`deny contains "no" if helpers.object.spec.hostNetwork`, ""},
		"the object, twice named":        {"deny contains \"no\" if {\n\trequest := input.request\n\trequest.object.spec.hostNetwork\n}", ""},
		"the user":                       {`deny contains "no" if input.request.userInfo.username == "me"`, asksUser},
		"the user, by a helper":          {`deny contains "no" if helpers.username == "me"`, asksUser},
		"the user, in a message":         {`deny contains sprintf("%s may not", [helpers.username])`, asksUser},
		"the user, twice named":          {"deny contains \"no\" if {\n\trequest := input.request\n\tinfo := request.userInfo\n\tinfo.username == \"me\"\n}", asksUser},
		"the user, in a comprehension":   {`deny contains "no" if count([g | some g in input.request.userInfo.groups]) > 3`, asksUser},
		"the user, by get":               {`deny contains "no" if object.get(input.request, ["userInfo", "username"], "") == "me"`, asksUser},
		"the user, by a function":        {`deny contains "no" if helpers.named(input.request)`, asksWhole},
		"the user, negated":              {`deny contains "no" if not input.request.userInfo.username in {"me"}`, asksUser},
		"the user, behind else":          {"deny contains \"no\" if a\na if input.request.object.b\nelse := false if input.request.userInfo.uid", asksUser},
		"the user of warn":               {`warn contains "no" if input.request.userInfo.username == "me"`, asksUser},
		"the user of what nobody asks":   {"deny contains \"no\" if input.request.object.a\nme if input.request.userInfo.username == \"me\"", ""},
		"the user at a deletion":         {"deny contains \"no\" if input.request.object.a\ndeny contains \"me\" if {\n\thelpers.operation == \"DELETE\"\n\thelpers.username == \"me\"\n}", ""},
		"a name, by get":                 {`deny contains "no" if object.get(input.request, "name", "") == "web"`, ""},
		"any member":                     {`deny contains "no" if { some key; input.request[key] == "me" }`, asksWhole},
		"all of input":                   {`deny contains json.marshal(input)`, asksWhole},
		"a dry run":                      {`deny contains "no" if input.request.dryRun`, asksRest},
		"options":                        {`deny contains "no" if input.request.options.fieldManager == "me"`, asksRest},
		"the request's own ID":           {`deny contains "no" if input.request.uid == "1"`, asksRest},
		"the operation in a message":     {`deny contains sprintf("no %s", [input.request.operation])`, asksOperation},
		"a creation":                     {`deny contains "no" if input.request.operation == "CREATE"`, asksOperation},
		"a creation, by a helper":        {`deny contains "no" if helpers.created`, asksOperation},
		"no update":                      {`deny contains "no" if input.request.operation != "UPDATE"`, asksOperation},
		"a write":                        {`deny contains "no" if input.request.operation in {"CREATE", "UPDATE"}`, ""},
		"a write, in an array":           {"deny contains \"no\" if {\n\toperation := input.request.operation\n\toperation in [\"CREATE\", \"UPDATE\"]\n}", ""},
		"no deletion":                    {`deny contains "no" if not helpers.operation == "DELETE"`, ""},
		"a deletion":                     {`deny contains "no" if "DELETE" == helpers.operation`, asksChange},
		"an update":                      {`deny contains "no" if helpers.updated`, asksChange},
		"the old object":                 {`deny contains "no" if helpers.object.a != helpers.old_object.a`, asksChange},
		"the old object itself":          {`deny contains "no" if input.request.oldObject.a`, asksChange},
		"what was not in the old object": {`deny contains "no" if not helpers.old_object.a`, ""},
		"what was kept":                  {"deny contains \"no\" if not kept\nkept if {\n\thelpers.updated\n\tinput.request.userInfo.username == \"me\"\n}", ""},
		"an old object or none":          {"deny contains \"no\" if old == {}\ndefault old := {}\nold := helpers.old_object", ""},
		"a set that is empty":            {"deny contains \"no\" if count(olds) == 0\nolds contains o if o := input.request.oldObject.a", ""},
		"an object that is empty":        {"deny contains \"no\" if count(olds) == 0\nolds[o] := o if o := input.request.oldObject.a", ""},
		"a part of what is empty":        {"deny contains \"no\" if olds.a\nolds[o] := o if o := input.request.oldObject.a", asksChange},
		"a function of changes":          {"deny contains \"no\" if was(1)\nwas(n) if input.request.oldObject.a == n", asksChange},
	} {
		t.Run(name, func(t *testing.T) {
			module, err := ast.ParseModule("helpers.rego", helpers)
			if err != nil {
				t.Fatal(err)
			}
			spec := specOf(t, "p", "package p\nimport data.helpers\n"+c.rego, func(s *Spec) { s.Modules = append(s.Modules, module) })
			policy, err := CompilePolicy(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			if got := policy.Unaudited(); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestWhatAPolicySaysOfItselfMakesItUnaudited(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"nothing":       {func(*Spec) {}, ""},
		"creations":     {func(s *Spec) { s.Match.Operations = []string{"create", "delete"} }, ""},
		"changes":       {func(s *Spec) { s.Match.Operations = []string{"update", "delete"} }, "Its match is about UPDATE and DELETE, and not about what is there already."},
		"users":         {func(s *Spec) { s.Match.Users = []Glob{"me"} }, "Its match names users or groups, and nobody makes a request of what is there already."},
		"groups":        {func(s *Spec) { s.Match.Groups = []Glob{"us"} }, "Its match names users or groups, and nobody makes a request of what is there already."},
		"a subresource": {func(s *Spec) { s.Match.Resources = []Resource{{Resource: "pods", Subresource: "exec"}} }, "Its match names subresources alone, which are something done with an object and not there by themselves."},
		"a subresource, too": {func(s *Spec) {
			s.Match.Resources = []Resource{{Resource: "pods", Subresource: "exec"}, {Resource: "pods"}}
		}, ""},
		"a guard": {func(s *Spec) { s.Rules = []Rule{{Stage: review.Guard, Name: "deny"}} }, "It is about who may do what, and not about what is there already."},
		"images":  {func(s *Spec) { s.Rules = []Rule{{Stage: review.Image, Name: "deny"}} }, "It is about images by themselves, and not about the objects that name them."},
		"off":     {func(s *Spec) { s.Enforcement = EnforceOff }, "It is off."},
		"scoped":  {func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromAudit: EnforceOff} }, "Its enforcement leaves the audit out."},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := CompilePolicy(t.Context(), specOf(t, "p", "package p\ndeny contains \"no\" if input.request.object.a", c.change))
			if err != nil {
				t.Fatal(err)
			}
			if got := policy.Unaudited(); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
