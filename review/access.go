package review

import (
	"errors"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// DialectGuard is a Dialect: SubjectAccessReview from the authorizer before RBAC, authorization.k8s.io/v1 and v1beta1. Its
// answers refuse or have no opinion; an Allow is spelled as no opinion, so that a mistake there cannot bypass RBAC.
func DialectGuard(body []byte) (*Request, func(Decision) any, error) { return access(body, Guard) }

// DialectGrant is a Dialect: SubjectAccessReview from the authorizer after RBAC, authorization.k8s.io/v1 and v1beta1. Its
// answers allow or have no opinion.
func DialectGrant(body []byte) (*Request, func(Decision) any, error) { return access(body, Grant) }

func access(body []byte, stage Stage) (*Request, func(Decision) any, error) {
	req := &Request{Stage: stage, Body: body}
	var named, legacy bool
	var about accessTo
	version, err := document(body, "SubjectAccessReview", []string{"authorization.k8s.io/v1", "authorization.k8s.io/v1beta1"},
		func(r reader, name string) error {
			if name != "spec" {
				return r.other("", name, "spec", "apiVersion", "kind")
			}
			return r.object("spec", func(name string) error {
				switch name {
				case "group":
					legacy = true
					return r.texts("spec.group", &req.User.Groups)
				case "groups":
					named = true
					return r.texts("spec.groups", &req.User.Groups)
				default:
					return r.accessSpec(name, req, &about)
				}
			})
		})
	v1 := version == "authorization.k8s.io/v1"
	switch {
	case err != nil:
		return nil, nil, err
	case v1 && legacy:
		return nil, nil, errors.New("spec.group belongs to v1beta1; authorization.k8s.io/v1 spells it spec.groups")
	case !v1 && named:
		return nil, nil, errors.New("spec.groups belongs to v1; authorization.k8s.io/v1beta1 spells it spec.group")
	case about == accessTo{}:
		return nil, nil, errors.New("the SubjectAccessReview has neither spec.resourceAttributes nor spec.nonResourceAttributes")
	case about == accessTo{resource: true, path: true}:
		return nil, nil, errors.New("the SubjectAccessReview has both spec.resourceAttributes and spec.nonResourceAttributes")
	case about.path && req.Target.Path == "":
		return nil, nil, errors.New("spec.nonResourceAttributes has no path")
	}
	req.Body, err = inV1(body, authorizationv1.GroupName, "SubjectAccessReview", version, map[string]string{"group": "groups"})
	return req, func(d Decision) any { return accessAnswer(version, req, d) }, err
}

// accessTo is what a SubjectAccessReview asks about, which is not told by what its attributes hold: a user who asks "may I get?" leaves
// the resource empty.
type accessTo struct{ resource, path bool }

func (r reader) accessSpec(name string, req *Request, about *accessTo) error {
	if known, err := r.user("spec.", name, "user", &req.User); known {
		return err
	}
	t := &req.Target
	switch name {
	case "resourceAttributes":
		about.resource = r.Kind() != rawjson.Null
		const path = "spec.resourceAttributes."
		return r.object("spec.resourceAttributes", func(name string) error {
			switch name {
			case "namespace":
				return r.text(path, name, &t.Namespace)
			case "verb":
				return r.text(path, name, &req.Verb)
			case "group":
				return r.text(path, name, &t.Group)
			case "version":
				return r.text(path, name, &t.Version)
			case "resource":
				return r.text(path, name, &t.Resource)
			case "subresource":
				return r.text(path, name, &t.Subresource)
			case "name":
				return r.text(path, name, &t.Name)
			case "fieldSelector", "labelSelector":
				return r.selector(path + name)
			default:
				return r.other(path, name, "namespace", "verb", "group", "version", "resource", "subresource", "name",
					"fieldSelector", "labelSelector")
			}
		})
	case "nonResourceAttributes":
		about.path = r.Kind() != rawjson.Null
		return r.record("spec.nonResourceAttributes", member{"path", &t.Path}, member{"verb", &req.Verb})
	}
	return r.other("spec.", name, "user", "uid", "group", "groups", "extra", "resourceAttributes", "nonResourceAttributes")
}

// selector holds a selector to its type. What it says is for policies.
func (r reader) selector(field string) error {
	return r.object(field, func(name string) error {
		switch name {
		case "rawSelector":
			return r.member(field, member{name, nil})
		case "requirements":
			return r.list(field+"."+name, func() error {
				return r.object(field+"."+name, func(name string) error {
					switch name {
					case "key", "operator":
						return r.member(field+".requirements", member{name, nil})
					case "values":
						return r.texts(field+".requirements.values", new([]string))
					default:
						return r.other(field+".requirements.", name, "key", "operator", "values")
					}
				})
			})
		default:
			return r.other(field+".", name, "rawSelector", "requirements")
		}
	})
}

// accessAnswer spells a Decision. Allowed and denied are never both set: the API server makes an error of that. What it says without an opinion is
// shown to whoever nobody allows, so nothing is said then.
func accessAnswer(version string, req *Request, d Decision) any {
	out := &authorizationv1.SubjectAccessReview{TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: "SubjectAccessReview"}}
	switch {
	case req.Stage == Guard && d.Verdict == Deny:
		out.Status.Denied = true
		reason := d.Refusal()
		if reason == "" {
			reason = "refused by Portcullis"
		}
		out.Status.Reason = reason + req.mark()
	case req.Stage == Grant && d.Verdict == Allow:
		out.Status.Allowed = true
		reason := "allowed by Portcullis"
		for _, f := range d.Findings {
			if f.Effect == EffectAllow {
				reason = f.String()
				break
			}
		}
		out.Status.Reason = reason + req.mark()
	}
	return out
}

// mark ends the reason of an answer about access. The API server keeps the reason with the answer, and its audit event has it as the annotation
// authorization.k8s.io/reason: by the mark the record of the decision is found, however often the answer was used.
func (r *Request) mark() string {
	if r.ID == "" {
		return ""
	}
	return " (decision " + string(r.ID) + ")"
}
