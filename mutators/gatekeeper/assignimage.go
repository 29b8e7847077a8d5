package gatekeeper

import (
	"cmp"
	"errors"
	"regexp"
	"strings"

	"github.com/portcullis-dev/portcullis/mutators"
)

// image is a reference to an image in three parts, which are put together as they are, with a slash behind the domain. It is also the
// setter of AssignImage: the parts it has replace those that stand there.
type image struct {
	domain string // with its port, "registry.example.com:5000"
	path   string
	tag    string // with what it begins with: ":v1", or "@sha256:..."
}

// imageOf takes a reference apart. It never fails: what is no reference is taken apart at the same signs. What stands before the first
// slash is a domain if it has a dot or a colon, or is "localhost"; a tag or digest begins at the first ":" or "@" after it.
func imageOf(reference string) image {
	var out image
	out.domain, out.path = cutDomain(reference)
	if i := strings.IndexAny(out.path, ":@"); i >= 0 {
		out.path, out.tag = out.path[:i], out.path[i:]
	}
	return out
}

func cutDomain(reference string) (domain, rest string) {
	domain, rest, found := strings.Cut(reference, "/")
	if !found || domain != "localhost" && !strings.ContainsAny(domain, ".:") {
		return "", reference
	}
	return domain, rest
}

func (i image) String() string {
	if i.domain != "" {
		return i.domain + "/" + i.path + i.tag
	}
	return i.path + i.tag
}

// set makes a reference of the parts alone where none stands; whoever does not want that asks for the member in a path test.
func (i image) set(was any, _ about) (any, bool, error) {
	reference, ok := was.(string)
	if !ok && was != nil {
		return nil, false, errors.New("is " + mutators.KindOf(was) + ", not a string")
	}
	now := i.in(reference)
	for again := i.in(now); again != now; again = i.in(now) {
		now = again
	}
	return now, now != reference, nil
}

// in returns the reference with i's parts. Made again, that changes nothing, except in what was no reference: "/:/" becomes "a:/" with the
// path a, where a tag has become a domain, and then "a:/a". A domain is not taken for anything else, so that there is an end.
func (i image) in(reference string) string {
	now := imageOf(reference)
	now.domain = cmp.Or(i.domain, now.domain)
	now.path = cmp.Or(i.path, now.path)
	now.tag = cmp.Or(i.tag, now.tag)
	return now.String()
}

func (i image) weight() int { return len(i.String()) + 3 }

// The forms of the parts keep out what would be another part when the reference is taken apart again.
const (
	domainForm = `^(?:\w[\w-]*\.[\w.-]*\w|localhost)(?::\d+)?$`
	pathForm   = `^[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*$`
	tagForm    = `^(?::\w[\w.-]{0,127}|@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})$`
)

func (m *Mutator) readAssignImage(f field) error {
	if err := m.outside(); err != nil {
		return err
	}
	if err := m.member(); err != nil {
		return err
	}
	parameters, err := f.object("assignDomain", "assignPath", "assignTag", "pathTests")
	if err != nil {
		return err
	}
	var i image
	for _, part := range []struct {
		name, form string
		into       *string
		is         string
	}{
		{"assignDomain", domainForm, &i.domain, "a domain with a dot in it, or localhost, and maybe a port"},
		{"assignPath", pathForm, &i.path, "a path of lower case letters and digits, with single separators between them"},
		{"assignTag", tagForm, &i.tag, "a tag that begins with a colon, or a digest that begins with @"},
	} {
		f := parameters.get(part.name)
		if *part.into, err = f.text(); err != nil {
			return err
		}
		if *part.into != "" && !regexp.MustCompile(part.form).MatchString(*part.into) {
			return f.wrong("%q is not %s", *part.into, part.is)
		}
	}
	if i == (image{}) {
		return f.wrong("give at least one of assignDomain, assignPath and assignTag")
	}
	if domain, _ := cutDomain(i.path); domain != "" && i.domain == "" {
		return parameters.get("assignPath").wrong("it begins with %q, which would be read as a domain; give assignDomain as well", domain)
	}
	m.setter, m.ends = i, aString
	m.tests, err = readTests(parameters.get("pathTests"), m.location)
	return err
}
