package replay

import (
	"encoding/json"
	"fmt"
	"slices"

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
	sent, _ := objectIn(e.Object)
	became, answered := objectIn(e.Answer)
	if e.Response != nil && e.Response.Code >= 400 || answered.kind == "Status" {
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
	kind := map[string]any{"group": h.group, "version": h.version, "kind": h.kind}
	resource := map[string]any{"group": ref.APIGroup, "version": ref.APIVersion, "resource": ref.Resource}
	out.request = map[string]any{
		"uid": e.AuditID, "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
		"name": ref.Name, "namespace": ref.Namespace, "operation": operation, "userInfo": user, "dryRun": e.dryRun(), "options": nil,
	}
	if ref.Subresource != "" {
		out.request["subResource"], out.request["requestSubResource"] = ref.Subresource, ref.Subresource
	}
	if ref.Resource != "namespaces" || ref.APIGroup != "" {
		out.object, out.stored = placed(out.object, ref.Namespace), placed(out.stored, ref.Namespace)
	}
	return out, ""
}

// question asks about the object.
func (a *admission) question(object json.RawMessage, dialect review.Dialect) (question, error) {
	null := json.RawMessage("null")
	now, before := object, null
	switch a.request["operation"] {
	case "DELETE":
		now, before = null, object
	case "UPDATE":
		before = object // which it was not; see unknown
	}
	request, err := json.Marshal(a.request)
	if err != nil {
		return question{}, err
	}
	req, _, err := dialect(slices.Concat( // the objects are long, and known to be JSON
		[]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":`), request[:len(request)-1],
		[]byte(`,"object":`), now, []byte(`,"oldObject":`), before, []byte("}}")))
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

// about is the request's target with its operation, for people.
func about(req *review.Request) string { return bounded(fmt.Sprintf("%s %s", req.Verb, req.Target)) }
