package suite

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// unknown is the place of a member that no suite of the format has.
type unknown struct {
	path []string
	ours bool // suites of our format have it
}

func (u unknown) name() string { return u.path[len(u.path)-1] }

func (u unknown) why() string {
	if u.ours {
		return ", for a suite of " + gatekeepersGroup + " has none; it is for suites of " + ownVersion
	}
	return ", for a suite has none; correct the spelling, or leave it out"
}

// unknownIn lists what a suite has that is not known, as one of its format.
func unknownIn(text []byte, own bool) []unknown {
	var content map[string]any
	if json.Unmarshal(text, &content) != nil {
		return nil
	}
	for _, name := range []string{"apiVersion", "kind", "metadata"} {
		delete(content, name)
	}
	return unknownMembers(content, reflect.TypeFor[Suite](), nil, own)
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

// unknownMembers compares a value with the type it is decoded into. As the decoder does, it takes names for the same that differ in case alone.
func unknownMembers(content any, into reflect.Type, path []string, own bool) (out []unknown) {
	for into.Kind() == reflect.Pointer {
		into = into.Elem()
	}
	switch v := content.(type) {
	case []any:
		if into.Kind() == reflect.Slice && into != reflect.TypeFor[json.RawMessage]() {
			for i, element := range v {
				out = append(out, unknownMembers(element, into.Elem(), append(slices.Clip(path), strconv.Itoa(i)), own)...)
			}
		}
	case map[string]any:
		if into.Kind() != reflect.Struct {
			return nil
		}
		fields := map[string]reflect.Type{}
		for i := range into.NumField() {
			if name, _, _ := strings.Cut(into.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
				fields[name] = into.Field(i).Type
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
				out = append(out, unknown{path: at})
			case !own && !ofGatekeepers(into, known):
				out = append(out, unknown{path: at, ours: true})
			default:
				out = append(out, unknownMembers(value, fields[known], at, own)...)
			}
		}
	}
	slices.SortFunc(out, func(a, b unknown) int { return slices.Compare(a.path, b.path) })
	return out
}
