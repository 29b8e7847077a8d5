package export

import (
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/reports"
)

// writeObjects writes the documents that `kubectl apply -f` takes. What they have no room for is said in a comment, and not left out unseen.
func writeObjects(out io.Writer, r *audit.Report, _ Options) error {
	made := reports.Make(r, "")
	for _, object := range made.Objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "---\n%s", text); err != nil {
			return err
		}
	}
	if made.Omitted == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "# %s no room in Report objects.\n", plural(made.Omitted, "result has", "results have"))
	return err
}
