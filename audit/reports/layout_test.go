package reports_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/reports"
)

// What is in no report is said by the last object, the cluster's, and its share of the bounds is what one shard keeps.
func TestAShardKeepsItsBounds(t *testing.T) {
	for name, c := range map[string]struct {
		layout         reports.Layout
		results, bytes int
		objects        int
	}{
		"objects": {reports.Layout{Shard: "s", MaxObjects: 3}, 4_000, 50, 3},
		"bytes":   {reports.Layout{Shard: "s", MaxTotal: 600 << 10}, 2_000, 1_000, 2},
	} {
		var last reports.Object
		objects, total, kept := 0, 0, 0
		omitted := c.layout.Each(crowd(c.results, c.bytes), func(o reports.Object, size int) {
			objects, total, kept, last = objects+1, total+size, kept+len(o.Results), o
		})
		most := c.layout.MaxTotal
		if most == 0 {
			most = reports.MaxTotal
		}
		if objects > c.objects || objects < 2 || total > most+1024 || kept+omitted != c.results || omitted == 0 {
			t.Errorf("%s: %d objects of %d bytes, %d results kept and %d not", name, objects, total, kept, omitted)
		}
		if said := last.Metadata.Annotations[reports.Omitted]; last.Kind != "ClusterReport" || !strings.HasPrefix(said, fmt.Sprint(omitted, " results are in no report: ")) {
			t.Errorf("%s: %s says %q", name, last.Kind, said)
		}
	}
}

func TestWhatIsNotAuditedIsSaidOnce(t *testing.T) {
	r := &audit.Report{
		Policies:   []audit.Policy{{ID: "users.names", Unaudited: "It asks who does something."}, {ID: "a.b"}},
		Namespaces: map[string]audit.Counts{"emptied": {}},
	}
	for followers, want := range map[bool]int{false: 1, true: 0} {
		var all []reports.Object
		reports.Layout{Shard: "s", Followers: followers}.Each(r, func(o reports.Object, _ int) { all = append(all, o) })
		if len(all) != 1 || len(all[0].Results) != want || all[0].Summary.Skip != want {
			t.Errorf("followers %v: %+v", followers, all)
			continue
		}
		if want == 1 && (len(all[0].Results[0].Resources) != 0 || all[0].Results[0].Message != "It asks who does something.") {
			t.Errorf("%+v", all[0].Results[0])
		}
	}
}
