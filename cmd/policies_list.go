package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// policiesListFlags are what policies list was told.
type policiesListFlags struct {
	topic, control, bundle, severity string
	output                           string
}

func newPoliciesList() *cobra.Command {
	var flags policiesListFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists the policies of the library",
		Long: `Lists the policies of the library, those for which everything holds that is asked for. A control is one that policies are evidence for, as
pss/baseline or cis-1.9/5.2.2, or a whole standard, as cis-1.9.
The exit code is 0, or 1 when no policy has the topic, control or bundle at all.`,
		Example: `  portcullis policies list --topic images
  portcullis policies list --control cis-1.9 --severity high -o json
  portcullis policies list --bundle pss-restricted -o names`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("list takes no arguments: did you mean policies show %s?", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd.OutOrStdout(), cmd.ErrOrStderr()) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.topic, "topic", "", "`NAME` of a topic, which policies' names begin with, as pods")
	f.StringVar(&flags.control, "control", "", "`ID` of a control, as pss/baseline, or of its standard, as cis-1.9")
	f.StringVar(&flags.bundle, "bundle", "", "`NAME` of a bundle, as pss-restricted")
	f.StringVar(&flags.severity, "severity", "", "low, medium, high or critical")
	f.StringVarP(&flags.output, "output", "o", "table", "table, json or names")
	return cmd
}

func (f *policiesListFlags) run(stdout, stderr io.Writer) error {
	if !slices.Contains([]string{"table", "json", "names"}, f.output) {
		return fmt.Errorf("-o %q is none of table, json and names", f.output)
	}
	if severities := []string{"low", "medium", "high", "critical"}; f.severity != "" && !slices.Contains(severities, f.severity) {
		return fmt.Errorf("--severity %q is none of %s", f.severity, spelling.Listed(severities, "and"))
	}
	all, err := described()
	if err != nil {
		return err
	}
	wanted := all
	for _, filter := range []struct {
		flag, value string
		of          func(native.Description) []string
	}{
		{"topic", f.topic, func(d native.Description) []string { return []string{d.Topic()} }},
		{"control", f.control, controlsOf},
		{"bundle", f.bundle, func(d native.Description) []string { return d.Bundles }},
		{"severity", f.severity, func(d native.Description) []string { return []string{d.Severity} }},
	} {
		if filter.value == "" {
			continue
		}
		has := func(d native.Description) bool { return slices.Contains(filter.of(d), filter.value) }
		if filter.flag != "severity" && !slices.ContainsFunc(all, has) {
			return noneWith(filter.flag, filter.value, all, filter.of)
		}
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(d native.Description) bool { return !has(d) })
	}
	if len(wanted) == 0 && f.output != "json" {
		fmt.Fprintln(stderr, "no policy of the library is all of that")
	}
	switch f.output {
	case "json":
		return encode(stdout, struct {
			Policies []native.Description `json:"policies"`
		}{append([]native.Description{}, wanted...)})
	case "names":
		for _, d := range wanted {
			if _, err := fmt.Fprintln(stdout, d.Name); err != nil {
				return err
			}
		}
		return nil
	}
	if err := listTable(stdout, wanted); err != nil || len(wanted) < len(all) {
		return err
	}
	return listHelpers(stderr)
}

// listHelpers says which packages policies of one's own may import.
func listHelpers(out io.Writer) error {
	reader, err := NewReader()
	if err != nil {
		return err
	}
	var names []string
	for _, h := range reader.Helpers() {
		names = append(names, h.Name)
	}
	_, err = fmt.Fprintf(out, "policies may import the packages %s; \"portcullis policies show NAME\" describes each\n", spelling.Listed(names, "and"))
	return err
}

// described is the library.
func described() ([]native.Description, error) {
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	var out []native.Description
	for _, name := range reader.Names() {
		d, err := reader.Describe(name)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// controlsOf are the controls of a policy, and the standards that they are of.
func controlsOf(d native.Description) []string { return withStandards(d.Controls) }

// noneWith is the error about a value that no policy has, and may be misspelt.
func noneWith(flag, value string, all []native.Description, of func(native.Description) []string) error {
	var known []string
	for _, d := range all {
		known = append(known, of(d)...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	if near := spelling.Nearest(value, known...); near != "" {
		return fmt.Errorf("no policy of the library has the %s %q; did you mean %s?", flag, value, near)
	}
	if flag == "control" { // there are too many
		known = slices.DeleteFunc(known, func(id string) bool { return strings.Contains(id, "/") })
		return fmt.Errorf("no policy of the library has the control %q; there are those of %s", value, spelling.Listed(known, "and"))
	}
	return fmt.Errorf("no policy of the library has the %s %q; there are %s", flag, value, spelling.Listed(known, "and"))
}

func listTable(out io.Writer, all []native.Description) error {
	if len(all) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tTITLE\tSEVERITY\tASKED AT\tBUNDLES")
	for _, d := range all {
		bundles := strings.Join(d.Bundles, ",")
		if bundles == "" {
			bundles = "-" // so that columns can be told by position
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", d.Name, d.Title, d.Severity, askedAt(d, ","), bundles)
	}
	return table.Flush()
}

func askedAt(d native.Description, separator string) string {
	var names []string
	for _, stage := range d.Stages {
		names = append(names, string(stage))
	}
	return strings.Join(names, separator)
}

// encode prints JSON for programs and for people.
func encode(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
