package webhook

import (
	"net/http"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func TestEndpoints(t *testing.T) {
	want := []struct {
		stage    review.Stage
		path     string
		maxBody  int64
		deadline time.Duration
	}{
		{review.Authenticate, "/authenticate", 64 << 10, 3 * time.Second},
		{review.Guard, "/authorize/guard", 256 << 10, 3 * time.Second},
		{review.Grant, "/authorize/grant", 256 << 10, 3 * time.Second},
		{review.Mutate, "/mutate", 20 << 20, 10 * time.Second},
		{review.Validate, "/validate", 20 << 20, 10 * time.Second},
		{review.Image, "/image", 1 << 20, 3 * time.Second},
	}
	got := table(allowing())
	if len(got) != len(want) {
		t.Fatalf("there are %d endpoints, not %d", len(got), len(want))
	}
	h := handler(t, allowing())
	for i, w := range want {
		e := got[i]
		if e.Stage != w.stage || e.Path != w.path || e.MaxBody != w.maxBody || e.Deadline != w.deadline {
			t.Errorf("row %d is %s %s %d %s", i, e.Stage, e.Path, e.MaxBody, e.Deadline)
		}
		// The dialect is the right one if it makes a question of the stage.
		req, _, err := e.Dialect([]byte(sample(w.path)))
		if err != nil || req.Stage != w.stage {
			t.Errorf("%s reads a question of another stage: %v (%v)", w.path, req, err)
		}
		if w := post(h, w.path, sample(w.path)); w.Code != http.StatusOK {
			t.Errorf("%s answers %d: %s", e.Path, w.Code, w.Body)
		}
	}
}

func TestEndpointsWithoutReviewerAreNotServed(t *testing.T) {
	got := Endpoints(func(stage review.Stage) review.Reviewer {
		if stage == review.Validate {
			return allowing()
		}
		return nil
	}, 5)
	if len(got) != 1 || got[0].Path != "/validate" || got[0].MaxBody != 5 {
		t.Errorf("got %v", got)
	}
}

func TestHandlerRefusesBadTables(t *testing.T) {
	good := table(allowing())[0]
	for name, c := range map[string]struct {
		rows []Endpoint
		want string
	}{
		"twice":       {[]Endpoint{good, good}, "endpoint /authenticate stands twice in the table"},
		"no reviewer": {[]Endpoint{{Path: "/x", MaxBody: 1, Deadline: 1, Dialect: good.Dialect}}, "endpoint /x needs a dialect, a reviewer, a limit and a deadline"},
		"no limit":    {[]Endpoint{{Path: "/x", Deadline: 1, Dialect: good.Dialect, Reviewer: good.Reviewer}}, "endpoint /x needs a dialect, a reviewer, a limit and a deadline"},
	} {
		if _, err := NewHandler(c.rows, nil, nil); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
