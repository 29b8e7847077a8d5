package language

import (
	"strings"
)

// plainLength is up to which length a reference is plain; the library's bound on names is beyond.
const plainLength = 250

// plainImage parses the references that nearly all are: the registry is spelled out and not Docker Hub's, no separators stand side by side, and a
// digest is a SHA-256. It takes a hundredth of the time of the library, which goes by regular expressions and judges all others.
func plainImage(text string) (parts imageParts, plain bool) {
	if len(text) > plainLength {
		return parts, false
	}
	name, digest, digested := strings.Cut(text, "@")
	registry, rest, ok := strings.Cut(name, "/")
	if !ok || !plainRegistry(registry) || digested && !plainDigest(digest) {
		return parts, false
	}
	repository, tag, tagged := strings.Cut(rest, ":")
	if tagged && !plainTag(tag) {
		return parts, false
	}
	for component := range strings.SplitSeq(repository, "/") {
		if !separated(component, "._-") {
			return parts, false
		}
	}
	return imageParts{registry: registry, repository: repository, tag: tag, digest: digest}, true
}

// plainRegistry reports whether a text is a host with a dot, or a port, which is no name of Docker Hub.
func plainRegistry(text string) bool {
	host, port, ported := strings.Cut(text, ":")
	if !ported && !strings.Contains(host, ".") || strings.HasSuffix(host, "docker.io") {
		return false
	}
	return separated(host, ".-") && (!ported || port != "" && strings.Trim(port, "0123456789") == "")
}

// separated reports whether a text is made of small letters and digits, with one of the separators here and there between two of them.
func separated(text, separators string) bool {
	between := false // two letters or digits, a separator may be next
	for i := range len(text) {
		switch c := text[i]; {
		case small(c):
			between = true
		case between && strings.IndexByte(separators, c) >= 0:
			between = false
		default:
			return false
		}
	}
	return between
}

func small(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func plainTag(text string) bool {
	if text == "" || len(text) > 128 || text[0] == '.' || text[0] == '-' {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !small(c) && (c < 'A' || c > 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func plainDigest(text string) bool {
	const algorithm, hex = "sha256:", 64
	if len(text) != len(algorithm)+hex || !strings.HasPrefix(text, algorithm) {
		return false
	}
	for i := len(algorithm); i < len(text); i++ {
		if c := text[i]; !small(c) || c > 'f' {
			return false
		}
	}
	return true
}
