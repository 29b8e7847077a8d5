package status

import (
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

const (
	// maxReported and maxReport bound what one server says of its counts: 256 Policies take 20 KiB, and more if they fail. It is written with the
	// Lease every five seconds, beside at most 44 KiB of what is served; an object's annotations may be 256 KiB.
	maxReported, maxReport = 256, 32 << 10
	// maxCount is more than anything is counted to, and less than what a sum of them could overflow by.
	maxCount = 1 << 53
)

// span is a count at two moments: before the reports in which it stands now without a gap, and now.
type span [2]int64

func (s span) valid() bool { return 0 <= s[0] && s[0] <= s[1] && s[1] <= maxCount }

// entry is what a server reports of one Policy. Its counts are since that server was started.
type entry struct {
	Findings  span                  `json:"findings,omitzero"`
	Faults    span                  `json:"faults,omitzero"`
	LastFault *v1alpha1.PolicyFault `json:"lastFault,omitempty"`
}

func (e entry) before() sum { return sum{e.Findings[0], e.Faults[0]} }
func (e entry) now() sum    { return sum{e.Findings[1], e.Faults[1]} }

// report is what one server says of its counts.
type report struct {
	By       string              `json:"by"` // which process
	Policies map[types.UID]entry `json:"policies"`

	size int
}

func newReport(by string) *report {
	return &report{By: by, Policies: map[types.UID]entry{}, size: len(`{"by":"","policies":{}}`) + len(by)}
}

// add returns false if there is no room.
func (r *report) add(uid types.UID, e entry) bool {
	text, err := json.Marshal(map[types.UID]entry{uid: e}) // with its braces: room for the comma
	if err != nil || len(r.Policies) == maxReported || r.size+len(text) > maxReport {
		return false
	}
	r.Policies[uid] = e
	r.size += len(text)
	return true
}

// text is empty if there is nothing to say.
func (r *report) text() string {
	if len(r.Policies) == 0 {
		return ""
	}
	text, err := json.Marshal(r)
	if err != nil { // each part was written before
		return ""
	}
	return string(text)
}

// readReport reads what a server says. A report that is not as it should be is refused whole.
func readReport(text string) (*report, error) {
	var r report
	if len(text) > maxReport {
		return nil, fmt.Errorf("a report of %d bytes is more than %d", len(text), maxReport)
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("a report of counts: %w", err)
	}
	if r.By == "" {
		return nil, errors.New("a report of counts does not say whose it is")
	}
	for uid, e := range r.Policies {
		if !e.Findings.valid() || !e.Faults.valid() {
			return nil, fmt.Errorf("a report of counts has %v and %v for %s", e.Findings, e.Faults, uid)
		}
		if e.LastFault != nil {
			e.LastFault.Message = review.Sentence(e.LastFault.Message, maxReason)
		}
	}
	return &r, nil
}
