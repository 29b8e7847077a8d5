package cmd

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
)

// What docs/verify.md shows runs as it stands there, with the objects that it speaks of.
func TestVerifyAsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, block := range regexp.MustCompile("(?ms)^```\\w+\n# file: (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		write(block[1], block[2])
	}
	write("bare.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n")
	write("owned.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {owner: alice}}\n")
	write("with-team.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {owner: alice, team: none}}\n")
	write("labelled.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {owner: platform}}\n")
	write("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {}}}\n")
	write("access.yaml", "apiVersion: authorization.k8s.io/v1\nkind: SubjectAccessReview\n"+
		"spec: {user: bob, groups: [dev], resourceAttributes: {verb: get, resource: secrets, namespace: prod}}\n")
	write("token.yaml", "apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec: {token: a secret}\n")
	write("template.yaml", `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needslabel}
spec:
  crd:
    spec:
      names: {kind: NeedsLabel}
      validation: {openAPIV3Schema: {type: object, properties: {label: {type: string}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needslabel
      violation[{"msg": msg}] {
        not input.review.object.metadata.labels[input.parameters.label]
        msg := sprintf("%v has no label %v", [input.review.object.metadata.name, input.parameters.label])
      }
`)
	const constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: NeedsLabel\nmetadata: {name: owner}\n"
	write("constraint.yaml", constraint+"spec: {parameters: {label: owner}}\n")
	write("mistyped.yaml", constraint+"spec: {parameters: {label: [owner]}}\n")
	var out, errOut bytes.Buffer
	if code := Run(t.Context(), []string{"verify", "."}, nil, &out, &errOut); code != exitOK {
		t.Errorf("exit code %d\n%s%s", code, &out, &errOut)
	}
	if want := "9 cases in 2 suites: 9 ok, 0 failed\n"; errOut.String() != want {
		t.Errorf("got %s want %s", &errOut, want)
	}
}

// A JUnit report is XML whatever the messages hold, and its counts are those of its elements.
func TestJUnit(t *testing.T) {
	var report suite.Report
	report.Add(suite.SuiteResult{File: "a.yaml", Outcome: suite.Error, Tests: []suite.TestResult{
		{Name: "no cases", Outcome: suite.Failed, At: "a.yaml:1", Failure: "it <fits>"},
		{Name: "skipped", Outcome: suite.Skipped},
		{Name: "unread", Outcome: suite.Error, Error: "b.yaml:1: a\x00b\nc"},
		{Name: "cases", Outcome: suite.Failed, Cases: []suite.CaseResult{
			{Name: "ok", Outcome: suite.OK},
			{Name: "skipped", Outcome: suite.Skipped},
			{Name: "error", Outcome: suite.Error, Error: `"<&>]]>`},
			{Name: "failed", Outcome: suite.Failed, Failures: []suite.Failure{{At: "a.yaml:2", Want: "x", Got: []string{"]]>", "\u001b[31m"}}, {Want: "y"}}},
		}},
	}})
	report.Add(suite.SuiteResult{File: "torn.yaml", Outcome: suite.Error, Error: "torn.yaml:1: torn"})
	report.Add(suite.SuiteResult{File: "empty.yaml", Outcome: suite.Skipped})
	var out bytes.Buffer
	if err := printJUnit(&out, report); err != nil {
		t.Fatal(err)
	}
	type tally struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
	}
	var got struct {
		tally
		Suites []struct {
			tally
			Cases []struct {
				Failure []string  `xml:"failure"`
				Error   *string   `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	d := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, &out)
		}
	}
	var sum tally
	if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Suites {
		counted := tally{Tests: len(s.Cases)}
		for _, c := range s.Cases {
			if len(c.Failure) > 0 {
				counted.Failures++
			}
			if c.Error != nil {
				counted.Errors++
			}
			if c.Skipped != nil {
				counted.Skipped++
			}
		}
		if counted != s.tally {
			t.Errorf("it says %+v and has %+v", s.tally, counted)
		}
		sum.Tests, sum.Failures = sum.Tests+counted.Tests, sum.Failures+counted.Failures
		sum.Errors, sum.Skipped = sum.Errors+counted.Errors, sum.Skipped+counted.Skipped
	}
	if sum != got.tally || (sum != tally{8, 2, 3, 2}) {
		t.Errorf("it says %+v and has %+v", got.tally, sum)
	}
}

// JSON has the shape that suite.Report documents, lists where there are none included.
func TestVerifyJSON(t *testing.T) {
	var out bytes.Buffer
	if err := printReport(&out, suite.Report{}); err != nil {
		t.Fatal(err)
	}
	var got suite.Report
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil || got.Suites == nil {
		t.Errorf("%v in %s", err, &out)
	}
}
