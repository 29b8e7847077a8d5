package webhook

import (
	"net/http"
	"testing"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// FuzzHandler sends anything to every endpoint. What is not JSON as rawjson knows it never gets a 2xx; nothing gets a 5xx, since the
// Reviewer always answers; and what gets a 200 answers in the spelling of its question.
func FuzzHandler(f *testing.F) {
	rows := table(allowing())
	h, err := NewHandler(rows, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	for i, e := range rows {
		f.Add(uint8(i), "timeout=10s", []byte(sample(e.Path)))
	}
	f.Add(uint8(4), "timeout=x", []byte(admission))
	f.Add(uint8(4), "", []byte(nested(512)))
	f.Add(uint8(4), "", []byte(nested(513)))
	f.Add(uint8(0), "", []byte(`{"spec":{"token":"\ud800"}}`))
	f.Add(uint8(1), "", []byte(`{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1beta1","spec":{"group":["a"],"nonResourceAttributes":{"path":"/x"}}}`))
	f.Fuzz(func(t *testing.T, which uint8, query string, body []byte) {
		e := rows[int(which)%len(rows)]
		r, err := http.NewRequest(http.MethodPost, "https://x"+e.Path, nil)
		if err != nil {
			t.Skip()
		}
		r.URL.RawQuery = query
		w := postRequest(h, r, string(body))
		switch {
		case w.Code >= 500:
			t.Fatalf("%d %s", w.Code, w.Body)
		case w.Code >= 400:
			refusedWith(t, w)
			return
		case w.Code != http.StatusOK:
			t.Fatalf("%d", w.Code)
		}
		if err := rawjson.Check(body); err != nil {
			t.Fatalf("garbage is answered: %v", err)
		}
		req, _, err := e.Dialect(body)
		if err != nil || req.Stage != e.Stage {
			t.Fatalf("a review of another stage is answered: %v", err)
		}
		if err := rawjson.Check(w.Body.Bytes()); err != nil {
			t.Fatalf("the answer is not strict JSON: %v", err)
		}
	})
}
