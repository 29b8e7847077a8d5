package reports_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/reports"
	"github.com/portcullis-dev/portcullis/review"
)

// crowd is a report with so many results in one namespace, each with a message of that many bytes.
func crowd(results, message int) *audit.Report {
	r := &audit.Report{At: time.Unix(1_800_000_000, 0), Revision: "r", Policies: []audit.Policy{{ID: "a.b", Severity: "high", Controls: []string{"c/1"}}}}
	for i := range results {
		r.Results = append(r.Results, audit.Result{
			Policy: "a.b", Outcome: audit.Fail, Message: strings.Repeat("m", message),
			Object: audit.Object{Version: "v1", Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("pod-%d", i)},
		})
	}
	return r
}

// held checks the bounds of each object, and returns how many results there are in them, and each object by its name as JSON.
func held(t *testing.T, made reports.Made) (results int, objects map[string]string) {
	t.Helper()
	objects = map[string]string{}
	for _, o := range made.Objects {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Results) > reports.MaxResults || len(text) > reports.MaxBytes {
			t.Errorf("%s has %d results and %d bytes", o.Metadata.Name, len(o.Results), len(text))
		}
		name := o.Kind + " " + o.Metadata.Namespace + "/" + o.Metadata.Name
		if objects[name] != "" {
			t.Errorf("there are two of %s", name)
		}
		if n := o.Summary.Fail + o.Summary.Warn + o.Summary.Skip + o.Summary.Fault; n != len(o.Results) {
			t.Errorf("%s sums up %d of %d results", name, n, len(o.Results))
		}
		results, objects[name] = results+len(o.Results), string(text)
	}
	return results, objects
}

func TestObjectsKeepTheirBounds(t *testing.T) {
	for name, c := range map[string]struct{ results, message, least int }{
		"few":           {3, 50, 2},
		"one full":      {500, 50, 2},
		"many":          {3_000, 50, 7},
		"long":          {400, 3_000, 3},
		"many and long": {1_000, 10_000, 5},
	} {
		made := reports.Make(crowd(c.results, c.message), "")
		if n, objects := held(t, made); n != c.results || made.Omitted != 0 || len(objects) < c.least || len(objects) > 4*c.least {
			t.Errorf("%s: %d results in %d objects, %d omitted", name, n, len(objects), made.Omitted)
		}
	}
}

func TestAllObjectsTogetherAreBounded(t *testing.T) {
	r := crowd(0, 0)
	r.Namespaces = map[string]audit.Counts{}
	for i := range reports.MaxObjects + 10 {
		namespace := fmt.Sprintf("n%05d", i)
		r.Namespaces[namespace] = audit.Counts{Pass: 1}
		r.Results = append(r.Results, audit.Result{Policy: "a.b", Outcome: audit.Warn, Message: "m", Object: audit.Object{Version: "v1", Kind: "Pod", Namespace: namespace, Name: "p"}})
	}
	if made := reports.Make(r, ""); len(made.Objects) != reports.MaxObjects || made.Omitted != 11 { // one object is the cluster's
		t.Errorf("%d objects, %d omitted", len(made.Objects), made.Omitted)
	}
}

func TestOneResultMoreChangesOneObject(t *testing.T) {
	_, before := held(t, reports.Make(crowd(1_200, 50), "s1"))
	_, after := held(t, reports.Make(crowd(1_201, 50), "s1"))
	changed := 0
	for name, text := range after {
		if before[name] != text {
			changed++
		}
	}
	if changed != 1 || len(before) != len(after) || before["Report shop/portcullis-s1"] == "" {
		t.Errorf("%d of %d objects are others, before %d", changed, len(after), len(before))
	}
}

func TestWhatIsSaidTwiceIsThereOnce(t *testing.T) {
	r := crowd(1, 10)
	for range 2_000 {
		r.Results = append(r.Results, r.Results[0])
	}
	if n, _ := held(t, reports.Make(r, "")); n != 1 {
		t.Errorf("%d results", n)
	}
}

func TestAResult(t *testing.T) {
	r := crowd(1, 10)
	r.Namespaces = map[string]audit.Counts{"shop": {Pass: 7, Skip: 1}, "": {Pass: 2}}
	r.Coverage = []audit.Coverage{{Resource: "pods", Listed: 2, Evaluated: 2}, {Resource: "secrets", Trouble: "It may not be listed."}}
	r.Results[0].Outcome, r.Results[0].Severity, r.Results[0].Since = audit.Skip, "huge", time.Unix(1_700_000_000, 0)
	r.Results[0].Message, r.Results[0].Exception = "a\u202e\x1b[31mb\nc", &review.Exception{Name: "shop/x", Reason: "why", Expires: time.Unix(1_900_000_000, 0)}
	made := reports.Make(r, "")
	if len(made.Objects) != 2 {
		t.Fatalf("%+v", made.Objects)
	}
	cluster, shop := made.Objects[0], made.Objects[1]
	if want := "pods: 2 listed = 2 evaluated + 0 skipped + 0 errored\nsecrets: 0 listed = 0 evaluated + 0 skipped + 0 errored; It may not be listed."; cluster.Kind != "ClusterReport" ||
		cluster.Metadata.Annotations[reports.Reconciled] != want || cluster.Summary.Pass != 2 {
		t.Errorf("%+v", cluster)
	}
	if shop.Summary != (audit.Counts{Pass: 7, Skip: 1}) || shop.Scope.Name != "shop" || shop.Metadata.Labels[reports.Managed] != "portcullis" {
		t.Errorf("%+v", shop)
	}
	want := reports.Result{
		Source: "portcullis", Policy: "a.b", Category: "a", Timestamp: reports.Timestamp{Seconds: 1_700_000_000}, Outcome: audit.Skip, Message: "a[31mb c",
		Resources:  []reports.Reference{{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "pod-0"}},
		Properties: map[string]string{"id": r.Results[0].ID(), "controls": "c/1", "exception": "shop/x", "reason": "why", "expires": "2030-03-17T17:46:40Z"},
	}
	if got := shop.Results[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
