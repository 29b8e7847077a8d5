package suite

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// unknownMember is the place of a member that no suite of the format has.
type unknownMember struct {
	path []string
	ours bool // suites of our format have it
}

func (u unknownMember) name() string { return u.path[len(u.path)-1] }

func (u unknownMember) why() string {
	if u.ours {
		return ", for a suite of " + gatekeepersGroup + " has none; it is for suites of " + ownVersion
	}
	return ", for a suite has none; correct the spelling, or leave it out"
}

// unknownIn lists what a suite has that is not known, as one of its format.
func unknownIn(text []byte, own bool) []unknownMember {
	var content map[string]any
	if json.Unmarshal(text, &content) != nil {
		return nil
	}
	for _, name := range []string{"apiVersion", "kind", "metadata"} {
		delete(content, name)
	}
	return compare(content, reflect.TypeFor[Suite](), nil, own)
}

// ofGatekeepers are the members that the suites of both formats have.
func ofGatekeepers(in reflect.Type, name string) bool {
	known := map[reflect.Type][]string{
		reflect.TypeFor[Suite]():     {"skip", "tests"},
		reflect.TypeFor[Test]():      {"name", "template", "constraint", "expansion", "invalid", "skip", "cases"},
		reflect.TypeFor[Case]():      {"name", "object", "inventory", "skip", "assertions"},
		reflect.TypeFor[Assertion](): {"violations", "message"},
	}
	return slices.Contains(known[in], name)
}

// compare compares a value with the type it is decoded into. As the decoder does, it takes names for the same that differ in case alone.
func compare(content any, into reflect.Type, path []string, own bool) (out []unknownMember) {
	for into.Kind() == reflect.Pointer {
		into = into.Elem()
	}
	switch v := content.(type) {
	case []any:
		if into.Kind() == reflect.Slice && into != reflect.TypeFor[json.RawMessage]() {
			for i, element := range v {
				out = append(out, compare(element, into.Elem(), append(slices.Clip(path), strconv.Itoa(i)), own)...)
			}
		}
	case map[string]any:
		if into.Kind() != reflect.Struct {
			return nil
		}
		fields := map[string]reflect.Type{}
		for field := range into.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
				fields[name] = field.Type
			}
		}
		for name, value := range v {
			at := append(slices.Clip(path), name)
			known := ""
			for field := range fields {
				if strings.EqualFold(field, name) {
					known = field
				}
			}
			switch {
			case known == "" || own && known != name:
				out = append(out, unknownMember{path: at})
			case !own && !ofGatekeepers(into, known):
				out = append(out, unknownMember{path: at, ours: true})
			default:
				out = append(out, compare(value, fields[known], at, own)...)
			}
		}
	}
	slices.SortFunc(out, func(a, b unknownMember) int { return slices.Compare(a.path, b.path) })
	return out
}
