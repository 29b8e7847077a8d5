package decisions

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// chosen reports whether an ID is among the share of all IDs that is recorded. It is always the same for the same ID, and whoever is among a
// share is among every larger one.
func chosen(id string, share float64) bool {
	sum := sha256.Sum256([]byte(id))
	return float64(binary.BigEndian.Uint64(sum[:]))/math.MaxUint64 < share
}
