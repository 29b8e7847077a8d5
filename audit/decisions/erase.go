package decisions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Erasures are the places of a record at which what stands there is taken out. The zero value is none. Make it with ParseErasures.
type Erasures struct {
	input  *place          // below /input
	object *place          // the same, below the object, for patches; nil where no object is concerned
	fields map[string]bool // those of the answer, whole, as pointers with *
}

// erasable are the fields beside the input that may be taken out.
func erasable() []string {
	return []string{
		"/error", "/event/requestURI", "/event/sourceIPs", "/event/userAgent", "/result/findings/*/cause", "/result/findings/*/field",
		"/result/findings/*/message", "/result/patch", "/result/user",
	}
}

// deepestErasure bounds the steps of a pointer: nothing in a review that people name lies as deep.
const deepestErasure = 32

// ParseErasures reads JSON pointers into a record, in which the step * stands for every member or element. They lead below /input, or to a field
// of the answer that can be taken out. What is erased of an object is erased of the old object, of the copy of it that kubectl keeps in an
// annotation, and of patches, too; and where a policy quotes a text that was erased, of what it says.
func ParseErasures(pointers []string) (e Erasures, err error) {
	for _, pointer := range pointers {
		if err := e.add(pointer); err != nil {
			return Erasures{}, fmt.Errorf("%q cannot be erased: %w", pointer, err)
		}
	}
	return e, nil
}

func (e *Erasures) add(pointer string) error {
	if slices.Contains(erasable(), pointer) {
		if e.fields == nil {
			e.fields = map[string]bool{}
		}
		e.fields[pointer] = true
		return nil
	}
	steps, below := strings.CutPrefix(pointer, "/input/")
	if !below || steps == "" {
		return fmt.Errorf("it leads neither below /input nor to one of %s", strings.Join(erasable(), ", "))
	}
	names := strings.Split(steps, "/")
	if len(names) > deepestErasure {
		return fmt.Errorf("it has more than %d steps", deepestErasure)
	}
	for i, name := range names {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(name); strings.Contains(rest, "~") {
			return errors.New("it is no JSON pointer: after ~ stands neither 0 nor 1")
		}
		names[i] = unescape(name)
	}
	e.input = e.input.with(names...)
	if len(names) < 3 || names[0] != "request" && names[0] != "*" || !slices.Contains([]string{"object", "oldObject", "*"}, names[1]) {
		return nil
	}
	for _, object := range []string{"object", "oldObject"} {
		e.input = e.input.with(append([]string{"request", object}, names[2:]...)...)
		e.input = e.input.with("request", object, "metadata", "annotations", lastApplied)
	}
	e.object = e.object.with(names[2:]...).with("metadata", "annotations", lastApplied)
	return nil
}

// place is a step on the way to what is erased.
type place struct {
	end  bool // what is here is erased
	next map[string]*place
}

// every is the step that leads to all members and elements.
const every = "*"

// with returns p, which may be nil, with one more way from it.
func (p *place) with(steps ...string) *place {
	if p == nil {
		p = &place{}
	}
	if len(steps) == 0 {
		p.end = true
		return p
	}
	if p.next == nil {
		p.next = map[string]*place{}
	}
	p.next[steps[0]] = p.next[steps[0]].with(steps[1:]...)
	return p
}

// places are all places that one value may be at.
type places []*place

func placesOf(some ...*place) (out places) {
	for _, p := range some {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// end reports whether the value is erased.
func (p places) end() bool { return slices.ContainsFunc(p, func(p *place) bool { return p.end }) }

// step returns the places of a member or an element. The element "-", of a patch, may be any.
func (p places) step(name string) (out places) {
	for _, from := range p {
		if name == "-" {
			for _, to := range from.next {
				out = append(out, to)
			}
			continue
		}
		if to := from.next[every]; to != nil {
			out = append(out, to)
		}
		if to := from.next[name]; to != nil && name != every {
			out = append(out, to)
		}
	}
	return out
}
