package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/review"
)

func TestLinesThatAreNoRecords(t *testing.T) {
	for line, want := range map[string]string{
		`{"decision_id":"a","path":"val`:      decisions.ErrTorn.Error(),
		`x`:                                   decisions.ErrTorn.Error(),
		`{"level":"info","msg":"hello"}`:      errOther.Error(),
		`[1,2]`:                               errOther.Error(),
		`"text"`:                              errOther.Error(),
		`null`:                                errOther.Error(),
		`{"decision_id":7,"path":"validate"}`: errOther.Error(),
		`{"decision_id":"a","path":"divine"}`: "the stage divine is not known here",
		`{"decision_id":"a","path":"validate","input":{}}`:                 "the review in the record cannot be read",
		`{"decision_id":"a","path":"gap"}`:                                 "the record of a gap does not say how much is missing",
		strings.TrimSpace(recordOf("a", `"error":"late"`)):                 errUnanswered.Error(),
		strings.TrimSpace(recordOf("a", `"result":{"verdict":"perhaps"}`)): "the verdict perhaps is not known here",
	} {
		report := run(t, Options{Ask: allow}, log("l", "\n"+line+"\n"+recordOf("good", allowed+`,"to-come":{"a":[1]}`)))
		if len(report.Unsaid) != 1 || report.Unsaid[0].Why != want || report.Unsaid[0].First != (Place{"l", 2}) {
			t.Errorf("%s: %+v, want %q", line, report.Unsaid, want)
		}
		if report.Same != 1 {
			t.Errorf("%s: what follows is not replayed: %+v", line, report)
		}
	}
}

// endless is a reader of so many equal bytes.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range n {
		p[i] = 'x'
	}
	e.left -= n
	return n, nil
}

func TestALineOfAnyLengthIsPassedOver(t *testing.T) {
	source := Source{Name: "l", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(&endless{decisions.MaxLine + 1}, strings.NewReader("\n"+recordOf("bad", allowed)))), nil
	}}
	report := run(t, Options{Ask: byName}, source)
	if report.Unsayable() != 1 || report.Unsaid[0].Why != decisions.ErrLong.Error() || report.Changed[Denied] != 1 || report.Groups[0].Examples[0].Line != 2 {
		t.Errorf("%+v", report)
	}
}

func TestGzip(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(recordOf("bad", allowed) + recordOf("good", allowed)))
	_ = w.Close()
	if report := run(t, Options{Ask: byName}, log("l", packed.String())); report.Replayed != 2 || report.Changed[Denied] != 1 {
		t.Errorf("%+v", report)
	}
	for name, torn := range map[string]string{"torn": packed.String()[:packed.Len()-9], "head": "\x1f\x8bnonsense"} {
		report := run(t, Options{Ask: byName}, log("l", torn), log("m", recordOf("bad", allowed)))
		if report.Unsayable() != 1 || !strings.HasPrefix(report.Unsaid[0].Why, "the log cannot be read from here on: ") || report.Changed[Denied] < 1 {
			t.Errorf("%s: %+v", name, report)
		}
	}
}

func TestALogThatCannotBeOpened(t *testing.T) {
	wrong := errors.New("no such log")
	_, err := Run(t.Context(), []Source{log("l", recordOf("a", allowed)), {Name: "m", Open: func() (io.ReadCloser, error) { return nil, wrong }}}, Options{Ask: allow})
	if !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
}

func TestItEndsWhenItIsToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ask := func(ctx context.Context, q Question) (review.Decision, error) {
		cancel()
		<-ctx.Done()
		return review.Decision{}, ctx.Err()
	}
	if _, err := Run(ctx, []Source{log("l", strings.Repeat(recordOf("a", allowed), 10_000))}, Options{Ask: ask, Workers: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// The report is the same in whatever order the answers come.
func TestTheOrderOfAnswersDoesNotMatter(t *testing.T) {
	var text strings.Builder
	for i := range 2000 {
		text.WriteString(recordOf(fmt.Sprintf("%s-%d", []string{"bad", "odd", "good", "unknown"}[i%4], i), allowed))
	}
	want := run(t, Options{Ask: byName, Workers: 1}, log("l", text.String()))
	for range 5 {
		if got := run(t, Options{Ask: byName, Workers: 8}, log("l", text.String())); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
	if want.Changed[Denied] != 500 || want.Changed[Warned] != 500 || want.Unsayable() != 500 || want.Groups[0].Examples[1].Line != 5 {
		t.Errorf("%+v", want)
	}
}

func TestWhatWasErasedIsNotKnown(t *testing.T) {
	for _, c := range []struct {
		erased  string
		unknown []string
		why     bool
	}{
		{`["/input/request/object/data","/result/findings/0/message"]`, []string{"/request/object/data"}, false},
		{`["/input/request/object/metadata/labels/team"]`, []string{"/request/object/metadata/labels/team"}, false},
		{`["/input/request/userInfo/extra/a"]`, []string{"/request/userInfo/extra/a"}, false},
		{`["/input/request/namespace"]`, nil, true},
		{`["/input/request/userInfo/username"]`, nil, true},
		{`["/input/request/userInfo/groups/0"]`, nil, true},
		{`["/input/request/object/kind"]`, nil, true},
		{`["/input"]`, nil, true},
	} {
		var got []string
		report := run(t, Options{Ask: func(ctx context.Context, q Question) (review.Decision, error) {
			got = q.Unknown
			return allow(ctx, q)
		}}, log("l", recordOf("a", allowed+`,"erased":`+c.erased)))
		if !slices.Equal(got, c.unknown) || (report.Unsayable() == 1) != c.why {
			t.Errorf("%s: unknown is %q, %+v", c.erased, got, report.Unsaid)
		}
	}
}

func TestWhatWasErasedOfTheAnswerIsNotCompared(t *testing.T) {
	warns := `"result":{"verdict":"allow","findings":[{"policy":"names","effect":"warn","message":"the name of (erased) is odd"}]}`
	if report := run(t, Options{Ask: byName}, log("l", recordOf("odd", warns+`,"erased":["/result/findings/0/message"]`))); len(report.Groups) > 0 {
		t.Errorf("a warning whose words are not known is taken for another one: %+v", report.Groups)
	}
	if report := run(t, Options{Ask: byName}, log("l", recordOf("odd", warns))); report.Changed[Warned] != 1 || report.Changed[Unwarned] != 1 {
		t.Errorf("%+v", report.Changed)
	}
	for _, erased := range []string{"/result/patch", "/result/patch/0/value"} {
		report := run(t, Options{Ask: allow}, log("l", recordOf("a", `"result":{"verdict":"allow","patch":"(erased)"},"erased":["`+erased+`"]`)))
		if report.Unsayable() != 1 || report.Unsaid[0].Why != lostPatch || report.Changed[Patched] > 0 {
			t.Errorf("%s: %+v", erased, report)
		}
	}
}

func TestSamplesAndGaps(t *testing.T) {
	gap := `{"decision_id":"g","path":"gap","gap":{"lost":18446744073709551615}}` + "\n"
	report := run(t, Options{Ask: byName}, log("l", gap+gap+recordOf("bad", allowed+`,"sampled":0.01`)+recordOf("bad", allowed)+recordOf("bad", allowed+`,"sampled":-1`)))
	if g := report.Groups[0]; g.Count != 3 || g.Estimated != 102 || report.Sampled != 1 || report.Lost != 18446744073709551615 {
		t.Errorf("%+v, lost %d", report.Groups, report.Lost)
	}
}

// What is in a log, whoever wrote it, stays within bounds in the report.
func TestBounds(t *testing.T) {
	var text strings.Builder
	for i := range maxReasons + 10 {
		fmt.Fprintf(&text, `{"decision_id":"a","path":"stage-%d-%s"}`+"\n", i, strings.Repeat("x", 2*maxName))
	}
	report := run(t, Options{Ask: allow}, log("l", text.String()))
	if len(report.Unsaid) > maxReasons+1 || report.Unsayable() != maxReasons+10 || len(report.Unsaid[len(report.Unsaid)-1].Why) > maxName+100 {
		t.Errorf("%d reasons for %d, the last is %.600s", len(report.Unsaid), report.Unsayable(), report.Unsaid[len(report.Unsaid)-1].Why)
	}
}

func TestMarkdownIsSafe(t *testing.T) {
	report := run(t, Options{Ask: byName}, log("l|l", recordOf("bad<script>|`[x](y)\\u000a# title", allowed)))
	var out strings.Builder
	if err := report.WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "<script>") || strings.Contains(text, "\n# title") || strings.Contains(text, "(`") || strings.Contains(text, "[x](y)") {
		t.Error(text)
	}
}

func FuzzLines(f *testing.F) {
	f.Add(recordOf("bad", allowed))
	f.Add(eventOf(created + `"requestObject":` + podText))
	f.Add(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{},1]}`)
	f.Add(eventOf(`"verb":"patch","responseStatus":{"code":200},` + pods + `"annotations":{"patch.webhook.admission.k8s.io/x":"{\"patch\":[1]}"}`))
	f.Fuzz(func(t *testing.T, text string) {
		report := run(t, Options{Ask: byName, Workers: 2}, log("l", text))
		if got := report.Replayed + report.Unsayable() + report.NothingToAsk(); got != report.Read {
			t.Errorf("of %d that were read %d were counted", report.Read, got)
		}
		if _, err := json.Marshal(report); err != nil {
			t.Error(err)
		}
	})
}
