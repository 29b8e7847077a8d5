package cmd

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/policies.md names every key of `review -o json`, and no other.
func TestTheKeysOfReviewsJSONAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, found := strings.Cut(string(text), "`-o json` prints `{\"results\": [...]}`")
	table, always, ended := strings.Cut(page, "\n\n`file`")
	always, _, there := strings.Cut("`file`"+always, " are always there")
	if !found || !ended || !there {
		t.Fatal("the page does not describe it")
	}
	rows := regexp.MustCompile("(?m)^\\| `.*?` \\| ").FindAllString(table, -1) // without what is said of the keys
	sameKeys(t, "in all", strings.Join(rows, ""), keys(reflect.TypeFor[jsonResult](), ""))
	least, err := json.Marshal(jsonResult{})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(least, &members); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "always", always, slices.Collect(maps.Keys(members)))
}

// sameKeys compares the keys that a text has in back quotes with those there are.
func sameKeys(t *testing.T, which, text string, want []string) {
	t.Helper()
	var got []string
	for _, found := range regexp.MustCompile("`(.*?)`").FindAllStringSubmatch(text, -1) {
		got = append(got, found[1])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s the page has the keys\n%s\nand the results\n%s", which, got, want)
	}
}

// keys are the paths of the members that a type has in JSON.
func keys(t reflect.Type, path string) (out []string) {
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return []string{path}
	case t.Kind() == reflect.Pointer:
		return keys(t.Elem(), path)
	case t.Kind() == reflect.Slice && path != "asked":
		return keys(t.Elem(), path+"[]")
	case t.Kind() != reflect.Struct || t.NumField() > 0 && !t.Field(0).IsExported():
		return []string{path}
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		out = append(out, keys(field.Type, strings.TrimPrefix(path+"."+name, "."))...)
	}
	return out
}
