package gatekeeper_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/language"
)

func TestMain(m *testing.M) {
	language.Register()
	os.Exit(m.Run())
}

// split splits files into their documents.
func split(t testing.TB, files ...txtar.File) (out []documents.Document) {
	t.Helper()
	for _, file := range files {
		found, err := documents.Split(file.Name, file.Data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

// told is a Reading in lines.
func told(r gatekeeper.Reading) string {
	var out strings.Builder
	for _, t := range r.Templates {
		fmt.Fprintf(&out, "template %s\n", t.Kind)
	}
	for _, s := range r.Specs {
		fmt.Fprintf(&out, "%s:%d: %s: %s", s.File, s.Row, s.ID, s.Enforcement)
		for _, origin := range slices.Sorted(maps.Keys(s.ByOrigin)) {
			fmt.Fprintf(&out, ", %s from %s", s.ByOrigin[origin], origin)
		}
		fmt.Fprintf(&out, ", on error %s", s.OnError)
		for _, k := range s.Match.Kinds {
			fmt.Fprintf(&out, ", %s.%s", k.Kind, k.Group)
		}
		fmt.Fprintf(&out, ", parameters %v\n", s.Parameters)
	}
	for _, d := range r.Documents {
		fmt.Fprintf(&out, "%s: beside: %s %s\n", d.At(), d.Object.GetKind(), d.Object.GetName())
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&out, "note %s\n", note)
	}
	if len(r.Faults) > 0 {
		fmt.Fprintf(&out, "%v\n", r.Faults)
	}
	return out.String()
}

// Every file of testdata/read has documents, and what comes of reading them. UPDATE=1 writes that down.
func TestRead(t *testing.T) {
	files, err := filepath.Glob("testdata/read/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
			if at < 0 {
				archive.Files = append(archive.Files, txtar.File{Name: "want"})
				at = len(archive.Files) - 1
			}
			docs := split(t, archive.Files[:at]...)
			var reader gatekeeper.Reader
			got := told(reader.Read(t.Context(), docs))
			if os.Getenv("UPDATE") != "" {
				archive.Files[at].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(archive.Files[at].Data); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if again := told(reader.Read(t.Context(), docs)); again != got {
				t.Errorf("read again it is\n%s\nand was\n%s", again, got)
			}
		})
	}
}
