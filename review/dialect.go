package review

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// Dialect reads one Kubernetes review off the wire. It returns the question and the way to spell the answer in the same version
// and with the same UID, as a value to be encoded as JSON. An error means the body is not a review of that dialect; its text
// is meant for the sender and quotes no value of the body. The Request keeps slices of body.
type Dialect func(body []byte) (*Request, func(Decision) any, error)

// reader adds to a Decoder what all reviews need: errors that name the field, and strictness about the spelling of names.
type reader struct{ *rawjson.Decoder }

// document reads a whole review: its apiVersion and kind, which must be kind and one of versions, and its other members through
// member. The API server writes kind and apiVersion first, but JSON has no order, so the check waits for the end.
func document(body []byte, kind string, versions []string, member func(r reader, name string) error) (version string, err error) {
	r := reader{rawjson.NewDecoder(body)}
	var gotKind string
	err = r.Object(func(name []byte) error {
		switch string(name) {
		case "apiVersion":
			return r.text("", "apiVersion", &version)
		case "kind":
			return r.text("", "kind", &gotKind)
		default:
			return member(r, view(name))
		}
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("the %s cannot be read: %w", kind, err)
	case gotKind != kind:
		return "", fmt.Errorf("kind is %q where %s is served", Sentence(gotKind, 64), kind)
	}
	if slices.Contains(versions, version) {
		return version, nil
	}
	return "", fmt.Errorf("apiVersion is %q; %s is served in %s", Sentence(version, 64), kind, strings.Join(versions, " and "))
}

// member is one of the texts an object has, and where it goes; nowhere if into is nil.
type member struct {
	name string
	into *string
}

// record reads an object of texts, or null. What nobody needs is read too: it is part of what policies see, and must be of the type
// they were written for.
func (r reader) record(field string, members ...member) error {
	return r.object(field, func(name string) error {
		for _, m := range members {
			if m.name == name {
				return r.member(field, m)
			}
		}
		for _, m := range members {
			if strings.EqualFold(m.name, name) {
				return r.misspelt(field+".", m.name)
			}
		}
		if err := r.Skip(); err != nil {
			return within(field+".*", err)
		}
		return nil
	})
}

func (r reader) member(field string, m member) (err error) {
	switch {
	case r.Kind() == rawjson.Null:
		err = r.Null()
	case m.into == nil:
		_, err = r.Text()
	default:
		*m.into, err = r.String()
	}
	if err != nil { // only then is the path worth its allocation
		err = within(field+"."+m.name, err)
	}
	return err
}

// other skips a member nobody asked for. Newer API servers may send such; but one that differs from a known name only in case
// is an attempt to be read differently by two readers, and refused.
func (r reader) other(path, name string, known ...string) error {
	for _, k := range known {
		if k != name && strings.EqualFold(k, name) {
			return r.misspelt(path, k)
		}
	}
	if err := r.Skip(); err != nil {
		return within(path+"*", err)
	}
	return nil
}

func (r reader) misspelt(path, name string) error {
	return fmt.Errorf("%s%s should be spelled %s", path, name, name)
}

// within puts the field's name before a decoding error that has none yet.
func within(field string, err error) error {
	if bare, ok := err.(*rawjson.Error); ok { //nolint:errorlint // a wrapped one has its name already
		return fmt.Errorf("%s: %w", field, bare)
	}
	return err
}

// text reads a text, or null. The member's path is only put together where it is needed, for an error.
func (r reader) text(path, name string, into *string) error {
	if r.Kind() == rawjson.Null {
		return r.Null()
	}
	s, err := r.String()
	if err != nil {
		return within(path+name, err)
	}
	*into = s
	return nil
}

func (r reader) flag(field string, into *bool) error {
	if r.Kind() == rawjson.Null {
		return r.Null()
	}
	b, err := r.Bool()
	*into = b
	return within(field, err)
}

// object reads an object or null.
func (r reader) object(field string, member func(name string) error) error {
	if r.Kind() == rawjson.Null {
		return r.Null()
	}
	return within(field, r.Object(func(name []byte) error { return member(view(name)) }))
}

// view is name as a string that lasts as long as name does: until the member has been read. Who keeps it must clone it.
func view(name []byte) string {
	return unsafe.String(unsafe.SliceData(name), len(name)) //nolint:gosec // names are compared and forgotten; a copy of each is a third of the allocations
}

func (r reader) texts(field string, into *[]string) error {
	return r.list(field, func() error {
		s, err := r.String()
		*into = append(*into, s)
		return err
	})
}

// list reads an array or null.
func (r reader) list(field string, element func() error) error {
	if r.Kind() == rawjson.Null {
		return r.Null()
	}
	return within(field, r.Array(element))
}

// part reads an object, null as nothing, and tells where in the body it starts.
func (r reader) part(field string) (Raw, int, error) {
	if r.Kind() == rawjson.Null {
		return nil, 0, r.Null()
	}
	if err := within(field, r.Expect(rawjson.Object)); err != nil {
		return nil, 0, err
	}
	at := r.Offset()
	raw, err := r.Raw()
	return raw, at, within(field, err)
}

// user reads the members of a UserInfo, or of a SubjectAccessReview's spec, which spells the name "user".
func (r reader) user(path, name, username string, u *User) (known bool, err error) {
	switch name {
	case username:
		return true, r.text(path, username, &u.Username)
	case "uid":
		return true, r.text(path, "uid", &u.UID)
	case "groups":
		return true, r.texts(path+"groups", &u.Groups)
	case "extra":
		return true, r.object(path+"extra", func(key string) error {
			var values []string
			err := r.texts(path+"extra", &values)
			if u.Extra == nil {
				u.Extra = map[string][]string{}
			}
			u.Extra[strings.Clone(key)] = values
			return err
		})
	}
	return false, nil
}
