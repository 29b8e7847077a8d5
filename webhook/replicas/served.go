package replicas

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sort"
	"strings"
)

// Served are the policies that a replica serves, each in one version, as its Lease says it. Its zero value is none.
type Served string

const (
	// stamp is what a policy in its version is told by, eight bytes of a hash, as text.
	stampBytes, stampLength = 8, 11
	// maxServed is how many policies a Lease lists. It is read and written every few seconds, and 4096 are 44 KiB; an object's annotations may
	// be 256 KiB. Of who serves more, only the revision is known.
	maxServed = 4096
)

// Serving says policies, given as versions by name, as a Lease does. It is empty if they are more than a Lease can list.
func Serving(versions map[string]string) Served {
	if len(versions) > maxServed {
		return ""
	}
	stamps := make([]string, 0, len(versions))
	for policy, version := range versions {
		stamps = append(stamps, stamp(policy, version))
	}
	slices.Sort(stamps)
	return Served(strings.Join(stamps, ""))
}

// Has reports whether that version of the policy is among them.
func (s Served) Has(policy, version string) bool {
	wanted := stamp(policy, version)
	_, found := sort.Find(len(s)/stampLength, func(i int) int {
		return strings.Compare(wanted, string(s[i*stampLength:(i+1)*stampLength]))
	})
	return found
}

func stamp(policy, version string) string {
	sum := sha256.Sum256([]byte(policy + "\x00" + version))
	return base64.RawURLEncoding.EncodeToString(sum[:stampBytes])
}
