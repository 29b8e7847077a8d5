package replay

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// auditVersion is that of audit events; others are not written by any API server any more.
const auditVersion = "audit.k8s.io/v1"

// event is what is read of an audit event. The type of the API server is not used: it would decode the objects.
type event struct {
	Kind       string                     `json:"kind"`
	APIVersion string                     `json:"apiVersion"`
	Level      string                     `json:"level"`
	AuditID    string                     `json:"auditID"`
	Stage      string                     `json:"stage"`
	RequestURI string                     `json:"requestURI"`
	Verb       string                     `json:"verb"`
	User       authenticationv1.UserInfo  `json:"user"`
	As         *authenticationv1.UserInfo `json:"impersonatedUser"`
	Ref        *objectRef                 `json:"objectRef"`
	Response   *responseStatus            `json:"responseStatus"`
	Object     json.RawMessage            `json:"requestObject"`
	Answer     json.RawMessage            `json:"responseObject"`
	Received   time.Time                  `json:"requestReceivedTimestamp"`
	Notes      map[string]string          `json:"annotations"`
	Items      []json.RawMessage          `json:"items"` // of an EventList
}

type objectRef struct {
	Resource    string `json:"resource"`
	Subresource string `json:"subresource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	APIGroup    string `json:"apiGroup"`
	APIVersion  string `json:"apiVersion"`
}

type responseStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// connects are the verbs-like subresources by which something is connected to, with the kinds of their options.
func connects(ref *objectRef) string {
	switch ref.Resource + "/" + ref.Subresource {
	case "pods/exec":
		return "PodExecOptions"
	case "pods/attach":
		return "PodAttachOptions"
	case "pods/portforward":
		return "PodPortForwardOptions"
	case "pods/proxy":
		return "PodProxyOptions"
	case "services/proxy":
		return "ServiceProxyOptions"
	case "nodes/proxy":
		return "NodeProxyOptions"
	}
	return ""
}

// operation is what admission calls the request; "" for one that is not admitted.
func (e *event) operation() string {
	if e.Ref.APIGroup == "" && connects(e.Ref) != "" {
		return "CONNECT"
	}
	switch e.Verb {
	case "create":
		return "CREATE"
	case "update":
		return "UPDATE"
	case "patch": // by server-side apply something may be created
		if e.Response != nil && e.Response.Code == 201 {
			return "CREATE"
		}
		return "UPDATE"
	case "delete", "deletecollection":
		return "DELETE"
	}
	return ""
}

// refusal is how an API server says that a webhook refused.
var refusal = regexp.MustCompile(`^admission webhook "([^"]{1,253})" denied the request`)

// notAsked is how it says that a webhook was not reached, or gave no answer.
var notAsked = regexp.MustCompile(`failed calling webhook "([^"]{1,253})"`)

// recorded is what the webhooks answered, as far as the event says it. It is passed over if the request failed for another reason.
func (e *event) recorded(ours func(string) bool) (before answer, passed string, err error) {
	before.warningsLost = true
	code, message := 0, ""
	if e.Response != nil {
		code, message = e.Response.Code, e.Response.Message
	}
	switch {
	case code == 0:
		return before, "", errors.New("the audit event does not say what became of the request")
	case code < 400 && e.failedOpen(ours):
		return before, "", errUnanswered
	case code < 400:
		before.permitted = true
		before.patch, err = e.patch(ours)
		return before, "", err
	}
	if found := refusal.FindStringSubmatch(message); found != nil && ours(found[1]) {
		before.refusals = []Said{{Message: bounded(message)}}
		if names := e.Notes[found[1]+"/denied-by"]; names != "" {
			before.refusals = nil
			for name := range strings.SplitSeq(names, ",") {
				before.refusals = append(before.refusals, Said{Policy: bounded(name), Message: bounded(message)})
			}
		}
		return before, "", nil
	}
	if found := notAsked.FindStringSubmatch(message); found != nil && ours(found[1]) {
		return before, "", errUnanswered
	}
	return before, "audit events of requests that failed for another reason", nil
}

// failedOpen reports whether one of our webhooks gave no answer, and the request went on without.
func (e *event) failedOpen(ours func(string) bool) bool {
	for key, webhook := range e.Notes {
		if strings.HasPrefix(key, "failed-open.") && ours(webhook) {
			return true
		}
	}
	return false
}

// patchNote is the annotation in which an API server keeps what a mutating webhook changed.
const patchNote = "patch.webhook.admission.k8s.io/"

// patch is all that our webhooks changed, in the order in which it was done; nil if nothing was.
func (e *event) patch(ours func(string) bool) ([]byte, error) {
	type note struct {
		Webhook string            `json:"webhook"`
		Patch   []json.RawMessage `json:"patch"`
	}
	var keys []string
	for key := range e.Notes {
		if strings.HasPrefix(key, patchNote) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		roundA, indexA := orderOf(a)
		roundB, indexB := orderOf(b)
		return cmp.Or(cmp.Compare(roundA, roundB), cmp.Compare(indexA, indexB), cmp.Compare(a, b))
	})
	var all []json.RawMessage
	for _, key := range keys {
		var n note
		if err := json.Unmarshal([]byte(e.Notes[key]), &n); err != nil {
			return nil, errors.New("what the audit event says of a webhook's patch cannot be read")
		}
		if ours(n.Webhook) {
			all = append(all, n.Patch...)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return json.Marshal(all)
}

// orderOf reads round and index of "patch.webhook.admission.k8s.io/round_0_index_1".
func orderOf(key string) (round, index int) {
	parts := strings.Split(strings.TrimPrefix(key, patchNote), "_")
	if len(parts) == 4 {
		round, _ = strconv.Atoi(parts[1])
		index, _ = strconv.Atoi(parts[3])
	}
	return round, index
}

// dryRun reports whether nothing was to be kept of the request.
func (e *event) dryRun() bool {
	_, query, _ := strings.Cut(e.RequestURI, "?")
	values, err := url.ParseQuery(query)
	return err == nil && values.Get("dryRun") != ""
}
