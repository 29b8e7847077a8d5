package decisions

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ImageWebhook stands in Event.FailedOpen for the API server's only image webhook, which has no name.
const ImageWebhook = "imagepolicywebhook"

// What the API server's annotations begin with; the names of webhooks, and ours, come after.
const (
	failedOpen = "failed-open."
	mutation   = "mutation.webhook.admission.k8s.io/"
	imageOpen  = "imagepolicywebhook.image-policy.k8s.io/failed-open"
	decided    = "/decision"
)

// annotated takes up what an annotation says.
func (e *Event) annotated(key, value string) {
	switch {
	case key == "authorization.k8s.io/decision":
		e.Access = value
	case key == "authorization.k8s.io/reason":
		e.Why = value
		e.decided(marked(value))
	case key == imageOpen:
		e.FailedOpen = append(e.FailedOpen, ImageWebhook)
	case strings.HasPrefix(key, failedOpen):
		e.FailedOpen = append(e.FailedOpen, value)
	case strings.HasPrefix(key, mutation):
		var said struct {
			Configuration, Webhook string
			Mutated                bool
		}
		if json.Unmarshal([]byte(value), &said) == nil && said.Mutated {
			e.Changed = append(e.Changed, fmt.Sprintf("%s/%s", said.Configuration, said.Webhook))
		}
	case strings.HasSuffix(key, decided):
		e.decided(value)
	}
}

// decided adds the id of a decision, if it is one.
func (e *Event) decided(id string) {
	if isID(id) {
		e.Decisions = append(e.Decisions, id)
	}
}

// marked is what stands in the mark at the end of an answer's reason; the reasons of other authorizers have none.
func marked(reason string) string {
	_, mark, _ := strings.Cut(reason[max(0, strings.LastIndex(reason, " (")):], " (decision ")
	id, closed := strings.CutSuffix(mark, ")")
	if !closed {
		return ""
	}
	return id
}

// isID reports whether text has the form of our records' ids: that of a uid, or of crypto/rand.Text.
func isID(text string) bool {
	switch len(text) {
	case 36:
		return strings.Count(text, "-") == 4 && strings.Trim(text, "0123456789abcdef-") == ""
	case 26:
		return strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
	}
	return false
}
