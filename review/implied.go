package review

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Implied returns the question whether object, which by makes of the object under review, is acceptable: at the same stage, in the same
// operation and by the same way in. Nobody sent that object, so that it has no user, no resource and no old object; at a DELETE it is the
// old one, too. It is in the namespace that it says.
func (r *Request) Implied(by string, object []byte) (*Request, error) {
	head, err := readHead(object)
	if err != nil {
		return nil, fmt.Errorf("the object that %s makes cannot be read: %w", by, err)
	}
	_, version, found := strings.Cut(head.APIVersion, "/")
	if !found {
		version = head.APIVersion
	}
	out := &Request{
		Stage: r.Stage, Origin: r.Origin, Verb: r.Verb, DryRun: r.DryRun, Object: object, ImpliedBy: by, heads: &heads{},
		Target: Target{Group: head.Group(), Version: version, Kind: head.Kind, Namespace: head.Namespace, Name: head.Name},
	}
	type names map[string]string
	request := map[string]any{
		"uid": "", "kind": names{"group": head.Group(), "version": version, "kind": head.Kind},
		"resource": names{"group": "", "version": "", "resource": ""}, "name": head.Name, "namespace": head.Namespace,
		"operation": strings.ToUpper(r.Verb), "userInfo": names{}, "object": json.RawMessage(object), "oldObject": nil, "options": nil,
	}
	if r.Verb == "delete" {
		out.OldObject = object
		request["oldObject"] = json.RawMessage(object)
	}
	out.Body, err = json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": admissionReview, "request": request})
	return out, err
}
