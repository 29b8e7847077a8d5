package decisions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// told is what Read yields, a line for each record or error.
func told(r io.Reader) (out []string) {
	for record, err := range Read(r) {
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		out = append(out, record.Path+" "+record.DecisionID)
	}
	return out
}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	var out bytes.Buffer
	pod := question(t, "u-1", "pods", `"object":{"metadata":{"name":"web"}}`)
	lapse := review.Exception{Name: "n", Reason: "r", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	recorded(t, &out, []*review.Request{pod}, review.Decision{Revision: "r1", Patch: []byte(`[]`), Identity: &review.User{Username: "jane"}, Findings: []review.Finding{
		{Policy: "a", Effect: review.EffectExcepted, Message: "no", Field: "spec", Fault: true, Cause: "c", Exception: &lapse},
	}}, nil)
	for r, err := range Read(bytes.NewReader(out.Bytes())) {
		if err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(r); err != nil || string(again)+"\n" != out.String() {
			t.Errorf("read %s, %v, of %s", again, err, out.String())
		}
		if r.Path != "validate" || string(r.Input) != string(pod.Body) || *r.Result.Findings[0].Exception != lapse {
			t.Errorf("read %+v", r)
		}
	}
}

func TestLinesThatHoldNoRecordAreNamedAndPassedOver(t *testing.T) {
	const good = `{"decision_id":"a","path":"validate"}` + "\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"empty lines", "\n \r\n" + good + "\n", []string{"validate a"}},
		{"the last without its end", good + strings.TrimSpace(good), []string{"validate a", "validate a"}},
		{
			"torn ones", good + good[:20] + "\n" + good + good[:10],
			[]string{"validate a", "line 2: it is no whole JSON document; it was torn when it was written, or is no line of a decision log", "validate a", "line 4: it is no whole JSON document; it was torn when it was written, or is no line of a decision log"},
		},
		{
			"other JSON", `{"kind":"Event"}` + "\n[]\n3\n" + `{"decision_id":3}` + "\n" + good,
			append(other(1, 2, 3, 4), "validate a"),
		},
		{"fields of the future", `{"decision_id":"a","path":"dream","input":{"x":1},"new":{"y":[]},"result":{"verdict":"maybe","more":1}}`, []string{"dream a"}},
		{"a gap", `{"decision_id":"g","path":"gap","timestamp":"2026-01-02T02:04:05Z","gap":{"from":"2026-01-02T02:04:05Z","to":"2026-01-02T02:04:05Z","lost":3}}`, []string{"gap g"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.text), "by bytes": iotest.OneByteReader(strings.NewReader(c.text))} {
				if got := told(r); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
					t.Errorf("%s: read %q, want %q", how, got, c.want)
				}
			}
		})
	}
}

func other(lines ...int) (out []string) {
	for _, n := range lines {
		out = append(out, fmt.Sprintf("line %d: it is JSON, but no decision record: it has no decision_id or no path", n))
	}
	return out
}

func TestALineMayBeLongButNotEndless(t *testing.T) {
	record := func(n int) io.Reader {
		const head, tail = `{"decision_id":"a","path":"validate","input":"`, `"}` + "\n"
		return io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, int64(n-len(head)-len(tail))), strings.NewReader(tail))
	}
	got := told(io.MultiReader(record(3<<20), record(MaxLine), record(MaxLine+1), record(200<<20), record(100)))
	const long = "it is longer than 64 MiB"
	if want := []string{"validate a", "validate a", "line 3: " + long, "line 4: " + long, "validate a"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read %q", got)
	}
	if got := told(io.LimitReader(endless{}, 100<<20)); fmt.Sprint(got) != "[line 1: "+long+"]" {
		t.Errorf("read %q", got)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestAnErrorOfTheFileEndsReading(t *testing.T) {
	bad := errors.New("bad sector")
	for _, begun := range []string{"", `{"decision`, strings.Repeat("x", 2<<20)} {
		var all []error
		for _, err := range Read(io.MultiReader(strings.NewReader(`{"decision_id":"a","path":"validate"}`+"\n"+begun), iotest.ErrReader(bad))) {
			all = append(all, err)
		}
		var line *LineError
		if len(all) != 2 || all[0] != nil || !errors.Is(all[1], bad) || errors.As(all[1], &line) || all[1].Error() != "line 2: bad sector" {
			t.Errorf("%q", all)
		}
	}
}

func TestReadingStopsWhenItIsToldTo(t *testing.T) {
	n := 0
	for range Read(strings.NewReader("x\n" + `{"decision_id":"a","path":"validate"}` + "\n")) {
		n++
		break
	}
	if n != 1 {
		t.Error(n)
	}
}
