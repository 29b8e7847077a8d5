package export

import (
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

// The parts of a SARIF 2.1.0 log that are written, named as there.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string          `json:"id"`
		Short      *sarifText      `json:"shortDescription,omitempty"`
		Full       *sarifText      `json:"fullDescription,omitempty"`
		Default    sarifLevel      `json:"defaultConfiguration"`
		Properties sarifProperties `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifProperties struct {
		Tags     []string `json:"tags"`
		Severity string   `json:"security-severity,omitempty"` // of 10, as code hosts sort by it
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		EndTime       string              `json:"endTimeUtc,omitempty"`
		Notifications []sarifNotification `json:"toolExecutionNotifications"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// writeSARIF writes one run. What could not be judged is no result of it, but a notification of a run that did not succeed.
func writeSARIF(out io.Writer, r *audit.Report, _ Options) error {
	policies := policiesOf(r)
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "portcullis", Rules: make([]sarifRule, 0, len(policies))}},
		Results:    make([]sarifResult, 0, len(r.Results)),
		ColumnKind: "utf16CodeUnits",
	}
	index := map[string]int{}
	for i, p := range policies {
		index[p.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifPolicy(p))
	}
	for _, result := range r.Results {
		if result.Outcome == audit.Fail || result.Outcome == audit.Warn || result.Outcome == audit.Skip {
			run.Results = append(run.Results, sarifOf(result, index[result.Policy]))
		}
	}
	invocation := sarifInvocation{Successful: r.Whole(), EndTime: stamp(r.At), Notifications: []sarifNotification{}}
	for _, u := range unjudgedOf(r) {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"error", sarifMessage(u.What + ": " + u.Why)})
	}
	run.Invocations = []sarifInvocation{invocation}
	return encode(out, sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifPolicy(p audit.Policy) sarifRule {
	rule := sarifRule{ID: p.ID, Default: sarifLevel{"error"}, Properties: sarifProperties{Tags: append([]string{"security"}, p.Controls...)}}
	slices.Sort(rule.Properties.Tags)
	rule.Properties.Tags = slices.Compact(rule.Properties.Tags) // the schema wants each once
	if p.Title != "" {
		text := sarifMessage(p.Title)
		rule.Short = &text
	}
	if p.Description != "" {
		text := sarifMessage(p.Description)
		rule.Full = &text
	}
	rule.Properties.Severity = map[string]string{"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}[p.Severity]
	return rule
}

func sarifOf(r audit.Result, rule int) sarifResult {
	text := r.Message
	if r.Field != "" {
		text += " (" + r.Field + ")"
	}
	out := sarifResult{
		RuleID: r.Policy, RuleIndex: rule, Level: "error", Message: sarifMessage(r.Object.String() + ": " + text),
		Fingerprints: map[string]string{"portcullis/v1": r.ID()},
	}
	if r.Outcome == audit.Warn {
		out.Level = "warning"
	}
	if r.Outcome == audit.Skip {
		why := ""
		if r.Exception != nil {
			why = exception(*r.Exception)
		}
		out.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: why}}
	}
	o := r.Object
	location := sarifLocation{Logical: []sarifLogical{{Name: o.Name, Full: strings.Join([]string{o.APIVersion(), o.Kind, o.Namespace, o.Name}, "/"), Kind: "resource"}}}
	if o.File != "" {
		location.Physical = &sarifPhysical{Artifact: sarifArtifact{fileURI(o.File)}}
		if o.Row > 0 {
			location.Physical.Region = &sarifRegion{o.Row}
		}
	}
	out.Locations = []sarifLocation{location}
	return out
}

// sarifMessage is a text whose brackets make no link in who shows it: [words](address) is one in SARIF.
func sarifMessage(text string) sarifText {
	return sarifText{strings.ReplaceAll(text, "](", "] (")}
}

// fileURI is a path as SARIF wants it: relative where the path is.
func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if strings.HasPrefix(path, "/") {
		return (&url.URL{Scheme: "file", Path: path}).String()
	}
	return (&url.URL{Path: path}).String() // which keeps a colon from being that of a scheme
}
