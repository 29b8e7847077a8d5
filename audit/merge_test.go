package audit_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/review"
)

// However a report is split, and sent from one replica to another, the parts make the whole again.
func TestThePartsMakeTheWhole(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
		whole := audit.Report{At: at, Revision: "abc", Counts: map[string]audit.Counts{}, Namespaces: map[string]audit.Counts{}, Policies: []audit.Policy{
			{ID: "a", Title: "A", Controls: []string{"pss/baseline"}}, {ID: "b", Unaudited: "It asks who does something."},
		}}
		parts := make([]audit.Report, 1+random.IntN(5))
		covered := make([]map[string]*audit.Coverage, len(parts))
		all := map[string]*audit.Coverage{}
		for i := range parts {
			parts[i] = audit.Report{At: at.Add(time.Duration(i) * time.Second), Revision: "abc", Policies: whole.Policies, Counts: map[string]audit.Counts{}, Namespaces: map[string]audit.Counts{}}
			covered[i] = map[string]*audit.Coverage{}
		}
		for n := range random.IntN(200) {
			i := random.IntN(len(parts))
			part := &parts[i]
			namespace, resource := fmt.Sprint("n", random.IntN(4)), fmt.Sprint("r", random.IntN(3))
			outcome := []audit.Outcome{audit.Pass, audit.Fail, audit.Warn, audit.Skip, audit.Fault}[random.IntN(5)]
			result := audit.Result{Policy: "a", Outcome: outcome, Message: fmt.Sprint("message ", random.IntN(3)), Object: audit.Object{Kind: resource, Namespace: namespace, Name: fmt.Sprint("o", n)}}
			if outcome == audit.Skip {
				result.Exception = &review.Exception{Name: "e", Reason: "until then", Expires: at}
			}
			for _, r := range []*audit.Report{part, &whole} {
				if outcome != audit.Pass {
					r.Results = append(r.Results, result)
				}
				for _, counted := range []struct {
					counts map[string]audit.Counts
					name   string
				}{{r.Counts, "a"}, {r.Namespaces, namespace}} {
					c := counted.counts[counted.name]
					c.Add(outcome)
					counted.counts[counted.name] = c
				}
			}
			skipped := random.IntN(4) == 0
			for _, of := range []map[string]*audit.Coverage{covered[i], all} {
				c := of[resource]
				if c == nil {
					c = &audit.Coverage{Resource: resource}
					of[resource] = c
				}
				c.Listed++
				if skipped {
					if c.Skipped == nil {
						c.Skipped = map[string]int{}
					}
					c.Skipped["exempt"]++
				} else {
					c.Evaluated++
				}
			}
		}
		list := func(of map[string]*audit.Coverage) (out []audit.Coverage) {
			for _, name := range []string{"r0", "r1", "r2"} {
				if of[name] != nil {
					out = append(out, *of[name])
				}
			}
			return out
		}
		whole.Coverage = list(all)
		slices.SortFunc(whole.Results, audit.Compare)
		for i := range parts {
			parts[i].Coverage = list(covered[i])
			slices.SortFunc(parts[i].Results, audit.Compare)
			text, err := json.Marshal(parts[i])
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = audit.Report{}
			if err := json.Unmarshal(text, &parts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got := audit.Merge(parts...); !reflect.DeepEqual(got, whole) {
			t.Fatalf("seed %d:\n%+v\nwant\n%+v", seed, got, whole)
		}
	}
}

func TestMergingKeepsToTheBoundsAndSaysWhatDiffers(t *testing.T) {
	result := func(i int) audit.Result {
		return audit.Result{Policy: "a", Outcome: audit.Fail, Object: audit.Object{Kind: "Pod", Name: fmt.Sprintf("p%07d", i)}}
	}
	one := audit.Report{Revision: "b", Coverage: []audit.Coverage{{Resource: "pods", Trouble: "It may not be listed."}}}
	for i := range audit.MaxResults {
		one.Results = append(one.Results, result(i))
	}
	two := audit.Report{Revision: "a", Omitted: 5, Results: []audit.Result{result(0), result(audit.MaxResults + 1)}, Coverage: []audit.Coverage{{Resource: "pods", Trouble: "It is away."}}}
	got := audit.Merge(one, two)
	if len(got.Results) != audit.MaxResults || got.Omitted != 6 || got.Revision != "a, b" || got.Whole() {
		t.Errorf("%d results, %d omitted, revision %q, whole %t", len(got.Results), got.Omitted, got.Revision, got.Whole())
	}
	if got := got.Coverage[0].Trouble; got != "It may not be listed. It is away." {
		t.Error(got)
	}
}
