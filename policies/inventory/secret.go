package inventory

import (
	"maps"
	"slices"
)

// Secrets is the kind of which only the names of the keys are kept.
const Secrets Kind = "secrets"

// syncedSecrets are they as data.inventory calls them.
const syncedSecrets Kind = "v1/Secret"

// Masked stands in the place of every value of a Secret's data. Policies say what they like in messages, and those who read messages need
// not be those who may read Secrets.
const Masked = "[masked]"

// contents are the members of a Secret that hold what is secret.
func contents() []string { return []string{"data", "stringData"} }

// Reveals reports whether a path below data.kubernetes["secrets"] leads to a value that is masked.
func Reveals(path []Step) bool {
	const object = 2 // namespace and name lead there
	return len(path) >= object+2 && slices.Contains(contents(), path[object].Name)
}

// masked is a Secret without what is secret. The given one is not changed.
func masked(secret map[string]any) map[string]any {
	out := maps.Clone(secret)
	for _, member := range contents() {
		if secret[member] == nil {
			continue
		}
		names := map[string]any{}
		if values, ok := secret[member].(map[string]any); ok {
			for name := range values {
				names[name] = Masked
			}
		}
		out[member] = names
	}
	metadata, _ := secret["metadata"].(map[string]any)
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		metadata, annotations = maps.Clone(metadata), maps.Clone(annotations)
		delete(annotations, lastApplied) // it repeats the whole Secret
		metadata["annotations"], out["metadata"] = annotations, metadata
	}
	return out
}
