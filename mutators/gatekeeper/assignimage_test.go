package gatekeeper

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestAssignImage(t *testing.T) {
	var rows []row
	for _, c := range []struct{ parts, image, want string }{
		{`assignDomain: r.io`, "docker.io/lib/app:v1", "r.io/lib/app:v1"},
		{`assignDomain: r.io`, "lib/app:v1", "r.io/lib/app:v1"},
		{`assignDomain: r.io`, "app", "r.io/app"},
		{`assignDomain: r.io`, "localhost/app", "r.io/app"},
		{`assignDomain: r.io`, "host:5000/app", "r.io/app"},
		{`assignDomain: r.io`, "app:v1.2", "r.io/app:v1.2"}, // before no slash nothing is a domain
		{`assignDomain: "r.io:5000"`, "q.io/app@sha256:0123", "r.io:5000/app@sha256:0123"},
		{`assignDomain: localhost`, "q.io/app", "localhost/app"},
		{`assignPath: lib/app`, "q.io/x/y:v1", "q.io/lib/app:v1"},
		{`assignPath: lib/app`, "x:v1", "lib/app:v1"},
		{`assignTag: ":v2"`, "q.io/app:v1", "q.io/app:v2"},
		{`assignTag: ":v2"`, "app", "app:v2"},
		{`assignTag: ":v2"`, "q.io:5000/app", "q.io:5000/app:v2"},
		{`assignTag: ":v2"`, "app:v1@sha256:0123", "app:v2"},
		{`assignTag: "@sha256:0123456789abcdef0123456789ABCDEF"`, "app:v1", "app@sha256:0123456789abcdef0123456789ABCDEF"},
		{`assignDomain: r.io, assignPath: lib/app, assignTag: ":v2"`, "q.io/x@sha256:0123", "r.io/lib/app:v2"},
		{`assignDomain: r.io, assignPath: q.io/lib/app`, "x:v1", "r.io/q.io/lib/app:v1"},
		{`assignDomain: r.io`, "not/an image::@//at.all", "r.io/not/an image::@//at.all"},
		{`assignDomain: r.io`, "a.b:1//c", "r.io//c"},
		{`assignPath: a`, "/:/", "a:/a"}, // no reference before, and none afterwards, but at rest
		{`assignPath: lib/app, assignTag: ":v2"`, "", "lib/app:v2"},
		{`assignDomain: r.io`, "", "r.io/"}, // as Gatekeeper; a path test keeps it from happening
	} {
		rows = append(rows, row{
			c.parts + " in " + c.image, `location: 'spec.c[name: *].image', parameters: {` + c.parts + `}`,
			fmt.Sprintf(`spec: {c: [{image: %q}]}`, c.image), fmt.Sprintf(`{"spec":{"c":[{"image":%q}]}}`, c.want),
		})
	}
	applied(t, "AssignImage", append(rows,
		row{"no image yet", `location: spec.image, parameters: {assignPath: lib/app, assignTag: ":v2"}`, `{}`, `{"spec":{"image":"lib/app:v2"}}`},
		row{
			"no image yet, which a path test asks for",
			`location: spec.image, parameters: {assignDomain: r.io, pathTests: [{subPath: spec.image, condition: MustExist}]}`, `{}`, `{}`,
		},
		row{"no string", `location: spec.image, parameters: {assignDomain: r.io}`, `spec: {image: 1}`, `AssignImage/m cannot be applied: spec.image is a number, not a string`},
	))
}

func TestImageForms(t *testing.T) {
	for _, c := range []struct{ part, good, bad string }{
		{"assignDomain", `r.io|a-b_c.d-e|r.io:1|localhost|localhost:5000|1.2.3.4|a..b`, `r|r:5000|-r.io|r.io-|r.io/|r.io:|r.io:x|.r.io|r.io.|localhost:|r.io@x`},
		{"assignPath", `a|a/b/c|a.b|a_b|a__b|a---b|a1/b2`, `A|/a|a/|a//b|a..b|a___b|a._b|.a|a:b|a@b|a-`},
		{"assignTag", `:v1|:_a|:V-1.0_x|@sha256:0123456789abcdef0123456789abcdef|@a+b.c-d_e:0123456789abcdef0123456789abcdef00`, `v1|:|:.a|:a/b|:-a|@sha256:0123|@256:0123456789abcdef0123456789abcdef|@sha256:0123456789abcdef0123456789abcdeg|:a@b`},
	} {
		try := func(text string) error {
			extra := ""
			if c.part == "assignPath" {
				extra = "assignDomain: r.io, "
			}
			_, err := Read(document(t, spec("AssignImage", "m", fmt.Sprintf(`location: spec.image, parameters: {%s%s: %q}`, extra, c.part, text))), whoever)
			return err
		}
		for _, text := range split(c.good) {
			if err := try(text); err != nil {
				t.Error(err)
			}
		}
		for _, text := range split(c.bad) {
			if err := try(text); err == nil {
				t.Errorf("%s %q is taken", c.part, text)
			}
		}
	}
}

// Whatever stands there, the parts are found again where they were put.
func TestAssignImageIsIdempotent(t *testing.T) {
	parts := func(t *rapid.T, name string, of ...string) string {
		return rapid.SampledFrom(append(of, "")).Draw(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		i := image{
			domain: parts(t, "domain", "r.io", "localhost", "r.io:1"), path: parts(t, "path", "a", "a/b.c", "localhost", "a__b"),
			tag: parts(t, "tag", ":v1", "@sha256:0123456789abcdef0123456789abcdef"),
		}
		once, _, err := i.set(rapid.StringOf(rapid.SampledFrom([]rune("ab./:@-_"))).Draw(t, "image"), about{})
		if err != nil {
			t.Fatal(err)
		}
		twice, changes, err := i.set(once, about{})
		if err != nil || changes || once != twice {
			t.Fatalf("%q, then %q %v", once, twice, err)
		}
	})
}
