package reports

import (
	"strconv"
	"strings"
	"time"
)

// graced sees that the reports of a replica stay until it has been gone for as long as the others may need to take over, however often the collector
// looks, and that one that comes back begins anew.
func (p plane) graced(f *found) {
	p.Helper()
	f.Lock()
	f.shares, f.live = nil, []string{"one", "four"}
	f.Unlock()
	_, stop := p.start(f, "four")
	reports := func() string { return p.kubectl("get", "clusterreports", "-o=jsonpath={.items[*].metadata.name}") }
	p.eventually("true", func() string { return strconv.FormatBool(strings.Contains(reports(), "portcullis-four")) })
	stop()
	options := p.options(f, "one", &counted{writes: map[string]int{}})
	options.times = times{}
	collector, err := NewCollector(options)
	if err != nil {
		p.Fatal(err)
	}
	begun := time.Now()
	for _, c := range []struct {
		after time.Duration
		alive bool // the replica
		there bool // its reports
	}{
		{0, true, true},
		{time.Second, false, true},
		{20 * time.Second, false, true}, // gone for 19 seconds
		{20500 * time.Millisecond, true, true},
		{21 * time.Second, false, true},
		{40 * time.Second, false, true}, // gone for 19 seconds again
		{41 * time.Second, false, false},
	} {
		f.Lock()
		f.live = []string{"one"}
		if c.alive {
			f.live = append(f.live, "four")
		}
		f.Unlock()
		if err := collector.step(p.Context(), begun.Add(c.after)); err != nil {
			p.Fatal(err)
		}
		if names := reports(); strings.Contains(names, "portcullis-four") != c.there {
			p.Errorf("after %s the reports are %q", c.after, names)
		}
	}
	f.Lock()
	f.live = []string{"one"}
	f.Unlock()
}
