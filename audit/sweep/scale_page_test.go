package sweep

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/reports"
)

// What docs/scale.md says of bounds is what they are.
func TestScalePageTellsTheBounds(t *testing.T) {
	text, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	const objects, replicas, own = 1_000_000, 4, 250_000
	for what, want := range map[string]string{
		"a page":     fmt.Sprintf("see everything once, %d objects each | %s, and", pageLimit, thousands(objects/pageLimit)),
		"four":       fmt.Sprintf("kind that is empty | %s |", thousands(replicas*objects/pageLimit)),
		"after one":  fmt.Sprintf("by those that are left | %s | %s |", thousands(objects/pageLimit), thousands((replicas-1)*objects/pageLimit)),
		"pages":      fmt.Sprintf("%d kinds at a time, of each one that is judged and the next one, of at most %d MiB | %d MiB at most", atATime, maxPage>>20, atATime*2*maxPage>>20),
		"an object":  fmt.Sprintf("| %d to %d | %d to %d MB |", cleanBytes/2, cleanBytes, (cleanBytes/2*own+500_000)/1_000_000, cleanBytes*own/1_000_000),
		"results":    fmt.Sprintf("at the bound of %s results", thousands(audit.MaxResults)),
		"the client": fmt.Sprintf("%s lists at the client's bound of %d requests a second | %d s", thousands(objects/pageLimit), qps, objects/pageLimit/qps),
		"objects":    fmt.Sprintf("| Report objects | %s | %s |", thousands(reports.MaxObjects), thousands(reports.MaxObjects/replicas)),
		"bytes":      fmt.Sprintf("| bytes of all | %d MiB | %d MiB |", reports.MaxTotal>>20, reports.MaxTotal/replicas>>20),
		"in one":     fmt.Sprintf("| results in one object | %d |", reports.MaxResults),
		"of one":     fmt.Sprintf("| bytes of one object | %d KiB |", reports.MaxBytes>>10),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("of %s the page should say %q", what, want)
		}
	}
}

// thousands spells a number as the pages do.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
