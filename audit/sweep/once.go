package sweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/audit"
)

// Found is an object that Once has found.
type Found struct {
	About audit.Object
	JSON  []byte // with apiVersion and kind; not to be kept
	Err   error  // why it cannot be read; then About has what is known
}

// Once lists a resource to its end, for who does not watch it, and calls each with a page at a time. The list is of one moment unless it takes so long
// that it expires: then the rest is of later ones. An error is why it did not come to the end.
func Once(ctx context.Context, c Cluster, r Resource, each func([]Found) error) error {
	limit, token, resumed := pageLimit, "", ""
	for {
		page, err := c.List(ctx, r, limit, token)
		if errors.Is(err, ErrPageTooLarge) && limit > 1 {
			limit /= 2
			continue
		}
		if later := resumeAt(err); later != "" && later != resumed { // the same once more would go round for ever
			token, resumed = later, later
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", r, err)
		}
		found := make([]Found, 0, len(page.Items))
		for _, raw := range page.Items {
			one, err := readItem(raw)
			found = append(found, Found{About: audit.Object{
				Group: r.Group, Version: r.Version, Kind: r.Kind, Resource: r.Name, Namespace: one.namespace, Name: one.name, UID: one.uid,
			}, JSON: one.whole(r), Err: err})
		}
		if err := each(found); err != nil {
			return err
		}
		if token = page.Continue; token == "" {
			return nil
		}
	}
}
