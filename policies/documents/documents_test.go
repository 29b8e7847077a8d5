package documents

import (
	"strings"
	"testing"
)

const file = `# a comment

apiVersion: v1
kind: List
items:
- metadata: {name: a}
- metadata:
    name: b
  spec:
    text: |
      first
      second
    other: "one line"
---
# another

kind: Pod
spec:
  lines: &x [a, b]
  again: *x
`

func TestRows(t *testing.T) {
	docs, err := Split("f.yaml", []byte(file))
	if err != nil || len(docs) != 2 {
		t.Fatal(docs, err)
	}
	first, second := docs[0].Rows(), docs[1].Rows()
	for _, c := range []struct {
		rows       Rows
		path, want string
	}{
		{first, "", "f.yaml:3"},
		{first, "items.1.metadata.name", "f.yaml:8"},
		{first, "items.1.metadata.absent.deeper", "f.yaml:7"},
		{first, "absent", "f.yaml:3"},
		{first.Below("items", "1"), "spec.other", "f.yaml:13"},
		{first.Below("items", "1"), "absent", "f.yaml:7"},
		{first.Below("items", "7"), "kind", "f.yaml:4"},
		{second, "", "f.yaml:17"},
		{second, "spec.again.1", "f.yaml:19"},
	} {
		var path []string
		if c.path != "" {
			path = strings.Split(c.path, ".")
		}
		if got := c.rows.At(path...); got != c.want {
			t.Errorf("%s is at %s, want %s", c.path, got, c.want)
		}
	}
	item := first.Below("items", "1")
	if got := item.Before("spec", "text"); got != 10 {
		t.Errorf("row 1 of a block is behind row %d, want 10", got)
	}
	if got := item.Before("spec", "other"); got != 12 {
		t.Errorf("a text in one line is behind row %d, want 12", got)
	}
	if item.Row() != 7 || first.Row() != 3 {
		t.Errorf("they begin in rows %d and %d", item.Row(), first.Row())
	}
}

func TestWhatIsBeforeAFaultIsRead(t *testing.T) {
	docs, err := Split("f.yaml", []byte("a: 1\n---\nb: [\n"))
	if len(docs) != 1 || err == nil || !strings.HasPrefix(err.Error(), "f.yaml:") {
		t.Errorf("%d documents, %v", len(docs), err)
	}
}

// Several keys that are there twice are told by the first, in the row of the file.
func TestKeysTwice(t *testing.T) {
	_, err := Split("f.yaml", []byte("a: 1\n---\n# a comment\nkind: Pod\nname: a\nkind: Pod\nname: b\n"))
	if want := `f.yaml:6: key "kind" already set in map`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
