package fields

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// edits tells of those that a rule makes at paths that no object has. A path is followed as far as it is spelt out.
func (c *check) edits(rule *ast.Rule, made Type) {
	request, _ := c.input.Field("request")
	target, _ := request.Field("object")
	for _, s := range made.each().may {
		edit, ok := s.(*object)
		if !ok || target.unknown() {
			continue
		}
		for _, op := range []string{"set", "default", "append", "remove"} {
			for _, path := range edit.members[op].may {
				if path, ok := path.(*array); ok {
					c.edit(rule.Location, op, path.items, target)
				}
			}
		}
	}
}

func (c *check) edit(at *ast.Location, op string, path []Type, target Type) {
	var spelt strings.Builder
	for _, segment := range path {
		name, ok := segment.text()
		if !ok {
			spelt.WriteString("[]")
			target = target.each()
			continue
		}
		if spelt.Len() > 0 {
			spelt.WriteByte('.')
		}
		spelt.WriteString(name)
		next, ok := target.Field(name)
		if !ok {
			c.say(at, "the edit to %s %s: %s", op, spelt.String(), never(target, name))
			return
		}
		target = next
	}
}
