package policies

import (
	"bytes"
	"errors"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// anyOf is how a GroupKind spells that its group, or its kind, is any.
const anyOf = "*"

// kindIndex finds the rules of policies that name kinds. Every list holds all that concern what it is for, in policy order, so that one
// look-up gives the answer.
type kindIndex map[GroupKind][]asked

func (x *kindIndex) add(a asked) {
	if *x == nil {
		*x = kindIndex{}
	}
	for _, kind := range a.spec.Match.Kinds {
		(*x)[kind] = append((*x)[kind], a)
	}
}

// build adds to each list what more general names than its own find, and a list wherever the two general ones meet.
func (x kindIndex) build() {
	named := x.copy()
	groups, kinds := map[string]bool{anyOf: true}, map[string]bool{anyOf: true}
	for kind := range named {
		groups[kind.Group], kinds[kind.Kind] = true, true
	}
	for group := range groups {
		for kind := range kinds {
			general := []GroupKind{{group, kind}, {group, anyOf}, {anyOf, kind}, {anyOf, anyOf}}
			var all []asked
			for _, name := range general {
				all = append(all, named[name]...)
			}
			if all = merge(all); len(all) > 0 {
				x[GroupKind{group, kind}] = all
			}
		}
	}
}

func (x kindIndex) copy() kindIndex {
	out := make(kindIndex, len(x))
	for kind, list := range x {
		out[kind] = slices.Clone(list)
	}
	return out
}

// of lists the rules of the policies that name the kind of the request's object.
func (x kindIndex) of(req *review.Request) []asked {
	if len(x) == 0 {
		return nil
	}
	kind := kindOf(req)
	for _, name := range []GroupKind{kind, {kind.Group, anyOf}, {anyOf, kind.Kind}} {
		if list, ok := x[name]; ok {
			return list
		}
	}
	return x[GroupKind{anyOf, anyOf}]
}

// kindOf is the kind of the object itself, or of the old one if there is no new one. Where there is neither, or it does not say, it is
// the kind that the request is about.
func kindOf(req *review.Request) GroupKind {
	for _, object := range []review.Raw{req.Object, req.OldObject} {
		if len(object) > 0 {
			if kind, ok := ownKind(object, req.Target); ok {
				return kind
			}
			break
		}
	}
	return GroupKind{req.Target.Group, req.Target.Kind}
}

// errFound ends the reading of an object of which enough is known.
var errFound = errors.New("found")

// ownKind reads apiVersion and kind, which come first nearly always, and no more of the object than it takes. It was read before, so that
// neither is there twice; nearly always they are those of the target.
func ownKind(object []byte, t review.Target) (GroupKind, bool) {
	var version, kind []byte
	d := rawjson.NewDecoder(object)
	err := d.Object(func(name []byte) (err error) {
		switch {
		case string(name) == "apiVersion" && d.Kind() == rawjson.String:
			version, err = d.Text()
		case string(name) == "kind" && d.Kind() == rawjson.String:
			kind, err = d.Text()
		default:
			err = d.Skip()
		}
		if err == nil && version != nil && kind != nil {
			err = errFound
		}
		return err
	})
	if !errors.Is(err, errFound) {
		return GroupKind{}, false
	}
	group, _, grouped := bytes.Cut(version, []byte("/"))
	if !grouped {
		group = nil
	}
	return GroupKind{same(group, t.Group), same(kind, t.Kind)}, true
}

// same is text, without a copy of it if it is what is expected.
func same(text []byte, expected string) string {
	if string(text) == expected {
		return expected
	}
	return string(text)
}
