package mutators

import (
	"bytes"
	"fmt"
	"slices"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/portcullis-dev/portcullis/review"
)

// protected are the places no mutator may change: they say which object this is and in what state, or belong to the API server.
// It is a function because a variable could be written to.
func protected() []location {
	at := func(names ...string) location {
		var out location
		for _, name := range names {
			out = append(out, step{name: name})
		}
		return out
	}
	return []location{
		at("apiVersion"), at("kind"), at("status"),
		at("metadata", "name"), at("metadata", "generateName"), at("metadata", "namespace"), at("metadata", "uid"),
		at("metadata", "resourceVersion"), at("metadata", "generation"), at("metadata", "managedFields"),
		at("metadata", "creationTimestamp"), at("metadata", "deletionTimestamp"), at("metadata", "deletionGracePeriodSeconds"),
		at("metadata", "selfLink"),
	}
}

// permitted returns an error if path leads to a protected place, into one, or to a value that holds one.
func permitted(path []review.Segment) error {
	for _, place := range protected() {
		overlaps := true
		for i := range min(len(place), len(path)) {
			s := path[i]
			overlaps = overlaps && !s.ByIndex && s.Where == nil && s.Name == place[i].name
		}
		switch {
		case overlaps && len(path) >= len(place):
			return fmt.Errorf("no policy may change %s", place)
		case overlaps:
			return fmt.Errorf("it holds %s, which no policy may change", place)
		}
	}
	return nil
}

// preserved returns an error if a protected place in after holds something else than in before.
func preserved(before, after map[string]any) error {
	for _, place := range protected() {
		if !equal(lookup(before, place), lookup(after, place)) {
			return fmt.Errorf("it changed %s, which no mutator may change", place)
		}
	}
	return nil
}

// untouchable reports whether req's object must be left as it is, whatever the mutators would like.
func untouchable(req *review.Request, obj map[string]any) bool {
	return mirror(req, obj) || dying(req)
}

// mirror reports whether obj is the API server's image of a static Pod. The kubelet compares it with the file it came from, and
// deletes and creates it anew for as long as they differ. Only a kubelet is believed: anybody may write the annotation.
func mirror(req *review.Request, obj map[string]any) bool {
	return req.Target.Kind == "Pod" && req.Target.Group == "" && slices.Contains(req.User.Groups, "system:nodes") &&
		lookup(obj, location{{name: "metadata"}, {name: "annotations"}, {name: "kubernetes.io/config.mirror"}}) != nil
}

// dying reports whether req updates an object that is being deleted. Such updates remove finalizers, and a patch that another
// admission step then refuses would keep the object, and its namespace, from ever going away. Only the old object is
// believed: what a user writes into the new one decides nothing.
func dying(req *review.Request) bool {
	// Decoding is dear, and hardly any object is being deleted.
	if req.Verb != "update" || !bytes.Contains(req.OldObject, []byte(`"deletionTimestamp"`)) {
		return false
	}
	var old struct {
		Metadata struct {
			DeletionTimestamp any `json:"deletionTimestamp"`
		} `json:"metadata"`
	}
	return utiljson.Unmarshal(req.OldObject, &old) == nil && old.Metadata.DeletionTimestamp != nil
}
