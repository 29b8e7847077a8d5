package review

import (
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const admissionReview = "AdmissionReview"

// DialectValidate is a Dialect: AdmissionReview at a validating webhook, admission.k8s.io/v1 and v1beta1.
func DialectValidate(body []byte) (*Request, func(Decision) any, error) {
	return admission(body, Validate)
}

// DialectMutate is a Dialect: AdmissionReview at a mutating webhook, admission.k8s.io/v1 and v1beta1.
func DialectMutate(body []byte) (*Request, func(Decision) any, error) { return admission(body, Mutate) }

func admission(body []byte, stage Stage) (*Request, func(Decision) any, error) {
	req := &Request{Stage: stage, Body: body, heads: &heads{}}
	asked := false
	version, err := document(body, admissionReview, []string{"admission.k8s.io/v1", "admission.k8s.io/v1beta1"},
		func(r reader, name string) error {
			if name != "request" {
				return r.other("", name, "request", "apiVersion", "kind")
			}
			asked = true
			return r.object("request", func(name string) error { return r.admissionRequest(name, req) })
		})
	switch {
	case err != nil:
		return nil, nil, err
	case !asked:
		return nil, nil, errors.New("the AdmissionReview has no request")
	case req.ID == "":
		return nil, nil, errors.New("the AdmissionReview has no request.uid")
	}
	switch req.Verb { // policies read it as it stands, so no other spelling will do
	case "CREATE", "UPDATE", "DELETE", "CONNECT":
		req.Verb = strings.ToLower(req.Verb)
	default:
		return nil, nil, fmt.Errorf("request.operation %q is none of CREATE, UPDATE, DELETE and CONNECT", Sentence(req.Verb, 64))
	}
	if missing := req.missing(); missing != "" {
		return nil, nil, fmt.Errorf("the AdmissionReview has no %s", missing)
	}
	return req, func(d Decision) any { return admissionAnswer(version, req, d) }, nil
}

// missing names a part of an admission request without which it concerns no policy, or one that finds nothing wrong with it: an API server
// sends all of them, and whoever leaves one out must not be told that the request is allowed. A DELETE may come without the old object, as
// from API servers before 1.15; later ones ask about nothing they cannot read, not even to force its deletion. A CONNECT has an object
// where its resource has options.
func (r *Request) missing() string {
	switch {
	case r.Target.Resource == "":
		return "request.resource.resource"
	case r.Target.Kind == "":
		return "request.kind.kind"
	case len(r.Object) == 0 && (r.Verb == "create" || r.Verb == "update"):
		return "request.object, as every " + strings.ToUpper(r.Verb) + " has"
	case len(r.OldObject) == 0 && r.Verb == "update":
		return "request.oldObject, as every UPDATE has"
	}
	return ""
}

func (r reader) admissionRequest(name string, req *Request) (err error) {
	const path = "request."
	t := &req.Target
	switch name {
	case "uid":
		var uid string
		err = r.text(path, name, &uid)
		req.ID = types.UID(uid)
	case "kind":
		err = r.record(path+name, member{"group", nil}, member{"version", nil}, member{"kind", &t.Kind})
	case "resource":
		err = r.record(path+name, member{"group", &t.Group}, member{"version", &t.Version}, member{"resource", &t.Resource})
	case "requestKind":
		err = r.record(path+name, member{"group", nil}, member{"version", nil}, member{"kind", nil})
	case "requestResource":
		err = r.record(path+name, member{"group", nil}, member{"version", nil}, member{"resource", nil})
	case "requestSubResource":
		err = r.member("request", member{name, nil})
	case "subResource":
		err = r.text(path, name, &t.Subresource)
	case "name":
		err = r.text(path, name, &t.Name)
	case "namespace":
		err = r.text(path, name, &t.Namespace)
	case "operation":
		err = r.text(path, name, &req.Verb)
	case "userInfo":
		err = r.object(path+name, func(name string) error {
			if known, err := r.user("request.userInfo.", name, "username", &req.User); known {
				return err
			}
			return r.other("request.userInfo.", name, "username", "uid", "groups", "extra")
		})
	case "object":
		req.Object, req.objectAt, err = r.part(path + name)
	case "oldObject":
		req.OldObject, req.oldObjectAt, err = r.part(path + name)
	case "dryRun":
		err = r.flag(path+name, &req.DryRun)
	default:
		err = r.other(path, name, "uid", "kind", "resource", "subResource", "name", "namespace", "operation", "userInfo",
			"object", "oldObject", "dryRun", "options", "requestKind", "requestResource", "requestSubResource")
	}
	return err
}

// admissionAnswer spells a Decision. Only a mutating webhook may send a patch and only together with its type; a refusal needs
// a code of at least 400 and a message; request is not echoed.
func admissionAnswer(version string, req *Request, d Decision) any {
	response := &admissionv1.AdmissionResponse{
		UID:              req.ID,
		Allowed:          d.Verdict == Allow,
		Warnings:         d.Warnings(),
		AuditAnnotations: annotations(req, d),
	}
	if !response.Allowed {
		response.Result = refusalStatus(d)
	} else if req.Stage == Mutate && len(d.Patch) > 0 {
		response.Patch = d.Patch
		response.PatchType = new(admissionv1.PatchTypeJSONPatch)
	}
	return &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: admissionReview},
		Response: response,
	}
}

// notEvaluated is the reason by which people read that a policy could not be asked: kubectl shows it before the message. InternalError would
// say that the API server has failed. To programs an unknown reason with the code 500 is one and the same.
const notEvaluated metav1.StatusReason = "PolicyNotEvaluated"

// refusalStatus tells a refusal from a fault in the code: clients and GitOps controllers take 403 as final and retry on 500,
// which is right when a policy could not be asked.
func refusalStatus(d Decision) *metav1.Status {
	status := &metav1.Status{Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: d.Refusal()}
	if d.Faulty() {
		status.Code, status.Reason = 500, notEvaluated
	}
	if status.Message == "" {
		status.Message = "refused without a reason; this is a fault of Portcullis, please report it"
	}
	return status
}

// annotations are what the API server's audit event keeps of a decision: its record's id, which set of policies answered, and which refused. Of a
// webhook that is asked again about the same request the event keeps the first.
func annotations(req *Request, d Decision) map[string]string {
	out := map[string]string{}
	if req.ID != "" {
		out["decision"] = string(req.ID)
	}
	if d.Revision != "" {
		out["revision"] = d.Revision
	}
	if policies := refusing(d); policies != "" {
		out["denied-by"] = policies
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// refusing lists the policies that refuse, each once, in order.
func refusing(d Decision) string {
	var names []string
	seen := map[string]bool{}
	for _, f := range d.Findings {
		if f.Effect == EffectDeny && !seen[f.Policy] {
			seen[f.Policy] = true
			names = append(names, f.Policy)
		}
	}
	return Sentence(strings.Join(names, ","), MaxMessage)
}
