package policies

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// errNoOldObject is the fault of policies of the Gatekeeper convention at the deletion of something unknown.
var errNoOldObject = errors.New("the review of a DELETE has no oldObject, and so there is nothing to judge")

// admission makes of a review what policies of the Gatekeeper convention see as input.review: the admission request as it was sent, but that
// a DELETE has the old object for the object, a Namespace is in no namespace, and namespaceObject is the Namespace, or empty where it is not
// known. What an API server always sends is there also if who asks is none.
func (s *Set) admission(req *review.Request, in inputs) (*ast.Term, error) {
	var request ast.Object
	for _, member := range in.members {
		if member[0].Equal(ast.InternedTerm("request")) {
			request, _ = member[1].Value.(ast.Object)
		}
	}
	if request == nil {
		return nil, errors.New("the review is not one of admission")
	}
	null := ast.InternedNullTerm
	object, oldObject := null, null
	members := make([][2]*ast.Term, 0, request.Len()+3)
	has := map[ast.String]bool{}
	request.Foreach(func(key, value *ast.Term) {
		name, _ := key.Value.(ast.String)
		switch name {
		case "object":
			object = value
		case "oldObject":
			oldObject = value
		case "namespaceObject":
		case "namespace":
			if !isNamespace(req.Target) {
				members = append(members, [2]*ast.Term{key, value})
			}
		default:
			has[name] = true
			members = append(members, [2]*ast.Term{key, value})
		}
	})
	if req.Verb == "delete" {
		if object = oldObject; object.Equal(null) {
			return nil, errNoOldObject
		}
	}
	if !has["options"] {
		members = append(members, [2]*ast.Term{ast.InternedTerm("options"), null})
	}
	if !has["userInfo"] {
		members = append(members, [2]*ast.Term{ast.InternedTerm("userInfo"), ast.InternedEmptyObject})
	}
	members = append(members,
		[2]*ast.Term{ast.InternedTerm("object"), object}, [2]*ast.Term{ast.InternedTerm("oldObject"), oldObject},
		[2]*ast.Term{ast.InternedTerm("namespaceObject"), s.namespaceObject(req.Target)})
	return ast.ObjectTerm(members...), nil
}

// isNamespace reports whether the target is a Namespace, also where only its kind is known.
func isNamespace(t review.Target) bool {
	return t.IsNamespace() || t.Group == "" && t.Kind == "Namespace"
}

func (s *Set) namespaceObject(t review.Target) *ast.Term {
	if t.Namespace != "" && !isNamespace(t) {
		if ns, known := s.namespaces(t.Namespace); known && ns.Object != nil {
			return ast.NewTerm(ns.Object)
		}
	}
	return ast.InternedEmptyObject
}
