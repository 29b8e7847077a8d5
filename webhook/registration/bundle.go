package registration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"slices"
)

// bundle spells a PEM bundle so that equal authorities are equal bytes: certificates alone, each once, in one order. The API server keeps
// its connections for each spelling. It is nil if there is no certificate.
func bundle(given []byte) []byte {
	ders := certificates(given)
	slices.SortFunc(ders, bytes.Compare)
	return encode(slices.CompactFunc(ders, bytes.Equal))
}

func certificates(bundle []byte) (ders [][]byte) {
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			ders = append(ders, block.Bytes)
		}
	}
	return ders
}

func encode(ders [][]byte) (out []byte) {
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// common returns the certificates that are in all of the bundles.
func common(bundles [][]byte) []byte {
	if len(bundles) == 0 {
		return nil
	}
	ders := certificates(bundle(bundles[0]))
	for _, other := range bundles[1:] {
		theirs := certificates(other)
		ders = slices.DeleteFunc(ders, func(der []byte) bool {
			return !slices.ContainsFunc(theirs, func(their []byte) bool { return bytes.Equal(der, their) })
		})
	}
	return encode(ders)
}

// Fingerprint names a bundle in 16 characters, whatever the order of its certificates.
func Fingerprint(pem []byte) string {
	sum := sha256.Sum256(bundle(pem))
	return hex.EncodeToString(sum[:8])
}
