package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

const (
	// defaultStaleness is several times the minute within which an API server tells every watcher how far it has come.
	defaultStaleness = 5 * time.Minute
	// minStaleness leaves time to renew a watch before what it told is too old; maxStaleness is as good as none.
	minStaleness = 10 * time.Second
	maxStaleness = 24 * time.Hour
	// maxKinds bounds what one policy can have the server watch.
	maxKinds = 16
)

// kinds reads data, the kinds of the cluster's objects that a policy reads.
func (m metadata) kinds() ([]inventory.Kind, error) {
	if len(m.Data) > maxKinds {
		return nil, under(fmt.Errorf("data: %d kinds are more than %d; split the policy", len(m.Data), maxKinds), "data")
	}
	var kinds []inventory.Kind
	for i, text := range m.Data {
		kind, err := readKind(text)
		if err == nil && slices.Contains(kinds, kind) {
			err = fmt.Errorf("%q is listed twice", text)
		}
		if err != nil {
			return nil, under(fmt.Errorf("data: %w", err), "data", strconv.Itoa(i))
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// readKind reads a kind, and refuses a plural without its group that is not of the core group: nothing would ever be found there.
func readKind(text string) (inventory.Kind, error) {
	kind, err := inventory.ParseKind(text)
	if err != nil || strings.Contains(text, ".") {
		return kind, err
	}
	switch groups := groupsOf(text); {
	case slices.Contains(groups, ""):
		return kind, nil
	case len(groups) == 0:
		return "", fmt.Errorf("%q is not a kind of the core group; write it with its group, such as %q", text, text+".example.com")
	default:
		return "", fmt.Errorf("%q is not a kind of the core group; write %q", text, text+"."+groups[0])
	}
}

// staleness reads maxStaleness. A policy without data has none.
func (m metadata) staleness() (time.Duration, error) {
	switch {
	case len(m.Data) == 0 && m.MaxStaleness != "":
		return 0, under(errors.New("maxStaleness is about data, and there is none"), "maxStaleness")
	case len(m.Data) == 0:
		return 0, nil
	case m.MaxStaleness == "":
		return defaultStaleness, nil
	}
	bound, err := time.ParseDuration(m.MaxStaleness)
	if err != nil || bound < minStaleness || bound > maxStaleness {
		return 0, under(fmt.Errorf(`maxStaleness %q is not a time between 10s and 24h, such as "90s" or "5m"`, m.MaxStaleness), "maxStaleness")
	}
	return bound, nil
}
