package replay

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/portcullis-dev/portcullis/review"
)

// The stages of audit events; of those other than the last there is another event about the same request.
const (
	stageComplete = "ResponseComplete"
	stagePanic    = "Panic"
)

// exchangeOfEvent makes of an audit event what is asked again: the AdmissionReviews as the API server would have made them, as well as that can be
// told. What can not is Unknown to the question: an old object always, options, and the object itself where the event is of a level or a verb
// that leaves it out.
func exchangeOfEvent(e *event, o *Options) exchange {
	switch e.Stage {
	case stageComplete, stagePanic:
	case "RequestReceived", "ResponseStarted":
		return exchange{passed: "audit events of an earlier stage than ResponseComplete"}
	default:
		return exchange{why: "the audit stage " + bounded(e.Stage) + " is not known here"}
	}
	if e.Ref == nil || e.Ref.Resource == "" {
		return exchange{passed: "audit events of requests that are not admitted, as those that read"}
	}
	operation := e.operation()
	if operation == "" {
		return exchange{passed: "audit events of requests that are not admitted, as those that read"}
	}
	out := exchange{id: bounded(e.AuditID), at: e.Received, stage: review.Validate, event: true, weight: 1}
	var passed string
	if out.before, passed, out.unanswered = e.recorded(o.ours); passed != "" {
		return exchange{passed: passed}
	}
	a, why := e.admission(operation, o)
	if why != "" {
		return exchange{why: why}
	}
	var err error
	if out.asked, err = a.question(a.object, review.DialectMutate); err == nil && o.Spared != nil && o.Spared(out.asked.req) {
		return exchange{passed: "audit events of requests about which the API server never asks"}
	}
	if err == nil {
		out.stored, err = a.question(a.stored, review.DialectValidate)
	}
	if err != nil {
		return exchange{why: "the audit event makes no review that can be read", detail: bounded(err.Error())}
	}
	out.partial = a.partial
	if a.partial && out.before.permitted && len(out.before.patch) > 0 {
		out.before.patchLost = true // it is in the object that is asked about
	}
	return out
}

func (o *Options) ours(webhook string) bool { return o.Ours == nil || o.Ours(webhook) }

// admission is an admission request in the making.
type admission struct {
	request map[string]any
	unknown []string
	// object is what mutators are asked about, and stored what became of it, with all that other plugins did.
	object, stored json.RawMessage
	// partial says that the object is not the one that was sent, but what became of it.
	partial bool
}

// admission makes the request of an event, or says why there is none.
func (e *event) admission(operation string, o *Options) (*admission, string) {
	ref, user := e.Ref, e.User
	if e.As != nil {
		user = *e.As
	}
	out := &admission{unknown: []string{"/request/options"}}
	sent, became := objectIn(e.Object), objectIn(e.Answer)
	if e.Response != nil && e.Response.Code >= 400 || kindOf(became) == "Status" {
		became = nil
	}
	if e.Verb == "patch" || operation == "DELETE" || operation == "CONNECT" {
		sent = nil // a patch, or options
	}
	if out.object, out.stored = sent, became; sent == nil {
		out.object, out.partial = became, true
	}
	if became == nil {
		out.stored = sent
	}
	member := "object"
	if operation == "DELETE" {
		member = "oldObject"
	}
	if out.object == nil {
		kind, version := e.kind(o), ref.APIVersion
		if kind == "" {
			return nil, "the audit event has no object, and of what kind it was is not known here"
		}
		if ref.APIGroup != "" {
			version = ref.APIGroup + "/" + version
		}
		stub, err := json.Marshal(map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": ref.Name}})
		if err != nil {
			return nil, "the audit event makes no review that can be read"
		}
		out.object, out.stored = stub, stub
		out.unknown = append(out.unknown, "/request/"+member)
	}
	if operation == "UPDATE" {
		out.unknown = append(out.unknown, "/request/oldObject")
	}
	if e.Verb == "deletecollection" {
		out.unknown = append(out.unknown, "/request/name")
	}
	h := headOf(out.object)
	group, version := splitVersion(h.APIVersion)
	kind := map[string]any{"group": group, "version": version, "kind": h.Kind}
	resource := map[string]any{"group": ref.APIGroup, "version": ref.APIVersion, "resource": ref.Resource}
	out.request = map[string]any{
		"uid": e.AuditID, "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
		"name": ref.Name, "namespace": ref.Namespace, "operation": operation, "userInfo": user, "dryRun": e.dryRun(), "options": nil,
	}
	if ref.Subresource != "" {
		out.request["subResource"], out.request["requestSubResource"] = ref.Subresource, ref.Subresource
	}
	out.object, out.stored = e.placed(out.object), e.placed(out.stored)
	return out, ""
}

// question asks about the object.
func (a *admission) question(object json.RawMessage, dialect review.Dialect) (question, error) {
	a.request["object"], a.request["oldObject"] = object, nil
	switch a.request["operation"] {
	case "DELETE":
		a.request["object"], a.request["oldObject"] = nil, object
	case "UPDATE":
		a.request["oldObject"] = object // which it was not; see unknown
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": a.request})
	if err != nil {
		return question{}, err
	}
	req, _, err := dialect(body)
	if err != nil {
		return question{}, err
	}
	req.Origin = review.FromWebhook
	return question{req: req, unknown: a.unknown}, nil
}

// kind is that of the object that the event does not have.
func (e *event) kind(o *Options) string {
	if e.Ref.APIGroup == "" {
		if kind := connects(e.Ref); kind != "" {
			return kind
		}
	}
	if o.Kind == nil || e.Ref.Subresource != "" && e.Ref.Subresource != "status" {
		return ""
	}
	return o.Kind(e.Ref.APIGroup, e.Ref.APIVersion, e.Ref.Resource)
}

// placed is the object with its namespace in it, where the API server puts it before it asks.
func (e *event) placed(object json.RawMessage) json.RawMessage {
	if e.Ref.Namespace == "" || e.Ref.Resource == "namespaces" && e.Ref.APIGroup == "" {
		return object
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return object
	}
	metadata := map[string]json.RawMessage{}
	if json.Unmarshal(members["metadata"], &metadata) != nil || len(metadata["namespace"]) > 0 {
		return object
	}
	metadata["namespace"], _ = json.Marshal(e.Ref.Namespace)
	members["metadata"], _ = json.Marshal(metadata)
	if out, err := json.Marshal(members); err == nil {
		return out
	}
	return object
}

// objectIn is an object, or nil where there is none.
func objectIn(text json.RawMessage) json.RawMessage {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' || kindOf(text) == "" {
		return nil
	}
	return text
}

func headOf(object json.RawMessage) (h head) {
	_ = json.Unmarshal(object, &h) // without a kind it is none
	return h
}

func kindOf(object json.RawMessage) string { return headOf(object).Kind }

func splitVersion(apiVersion string) (group, version string) {
	if at := bytes.IndexByte([]byte(apiVersion), '/'); at >= 0 {
		return apiVersion[:at], apiVersion[at+1:]
	}
	return "", apiVersion
}

// about is the request's target with its operation, for people.
func about(req *review.Request) string { return bounded(fmt.Sprintf("%s %s", req.Verb, req.Target)) }
