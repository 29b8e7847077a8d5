package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies/native"
)

// policiesShowFlags are what policies show was told.
type policiesShowFlags struct{ output string }

func newPoliciesShow() *cobra.Command {
	var flags policiesShowFlags
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Shows a policy, a bundle or a helper package of the library",
		Long: `Shows what a policy of the library is about, the parameters it takes and a Policy that puts it in force; or the policies of a bundle.
With -o yaml the Policy alone is printed, to change it and apply it, and of a bundle one for each of its policies; with -o rego the source.
NAME@VERSION is a policy or a bundle as it was in that version of Kubernetes, where that makes a difference, as --policies takes it. A helper package,
as portcullis.kubernetes, is shown with all that it gives to policies that import it.
The exit code is 0, or 1 when there is no such policy, bundle or package.`,
		Example: `  portcullis policies show images.allowed_registries
  portcullis policies show pods.privileged -o rego
  portcullis policies show portcullis.kubernetes
  portcullis policies show pss-baseline@v1.30 -o yaml | kubectl apply -f -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(`show takes the name of one policy or bundle; "portcullis policies list" lists them`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd.OutOrStdout(), args[0]) },
	}
	cmd.Flags().StringVarP(&flags.output, "output", "o", "text", "text, yaml, rego or json")
	return cmd
}

func (f *policiesShowFlags) run(out io.Writer, name string) error {
	if !slices.Contains([]string{"text", "yaml", "rego", "json"}, f.output) {
		return fmt.Errorf("-o %q is none of text, yaml, rego and json", f.output)
	}
	reader, err := NewReader()
	if err != nil {
		return err
	}
	name = strings.TrimPrefix(name, libraryPrefix)
	base, version, _ := strings.Cut(name, "@")
	for _, l := range reader.Bundles() {
		if l.Name == base {
			return f.bundle(out, reader, l, name, version)
		}
	}
	if h, ok := reader.Helper(name); ok {
		return f.helper(out, h)
	}
	d, err := reader.Describe(base)
	if err != nil {
		return err
	}
	if _, faults := reader.Use(name); version != "" && len(faults) > 0 { // what has required parameters is no fault here
		return faults
	}
	switch f.output {
	case "yaml":
		return policyTo(out, d, version)
	case "rego":
		_, err = io.WriteString(out, d.Source)
		return err
	case "json":
		return encode(out, d)
	}
	return showText(out, d, version)
}

// helper shows a helper package.
func (f *policiesShowFlags) helper(out io.Writer, h native.Helper) error {
	switch f.output {
	case "rego":
		_, err := io.WriteString(out, h.Source)
		return err
	case "json":
		return encode(out, h)
	case "yaml":
		return fmt.Errorf("-o yaml prints a Policy, and %s is a package for policies to import; -o rego prints its source", h.Name)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n\n%s\n\nA policy imports it:\n\n  import data.%s\n\nWhat it gives:\n", h.Name, h.Title, wrapped(h.Description, ""), h.Name)
	for _, rule := range h.Rules {
		fmt.Fprintf(&text, "  %s\n%s\n", rule.Call, wrapped(rule.Description, "      "))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (f *policiesShowFlags) bundle(out io.Writer, reader *native.Reader, l native.LibraryBundle, name, version string) error {
	if _, faults := reader.Use(name); len(faults) > 0 { // as that there is no such version
		return faults
	}
	switch f.output {
	case "rego":
		return fmt.Errorf("-o rego prints one policy, and %s is a bundle of several; name one of them", l.Name)
	case "json":
		return encode(out, l)
	}
	var all []native.Description
	for _, member := range l.Policies {
		d, err := reader.Describe(member)
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	if f.output == "text" {
		if _, err := fmt.Fprintf(out, "%s: %s\n\n%s\n\n", name, l.Title, wrapped(l.Description, "")); err != nil {
			return err
		}
		if err := listTable(out, all); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "\nThey are put in force by --policies library:%s, or one by one by what\n\"portcullis policies show %s -o yaml\" prints.\n", name, name)
		return err
	}
	for i, d := range all {
		if i > 0 {
			if _, err := io.WriteString(out, "---\n"); err != nil {
				return err
			}
		}
		if err := policyTo(out, d, version); err != nil {
			return err
		}
	}
	return nil
}

func policyTo(out io.Writer, d native.Description, version string) error {
	text, err := d.Policy(version)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// showText is a policy for people.
func showText(out io.Writer, d native.Description, version string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n\n%s\n\n", d.Name, d.Title, wrapped(d.Description, ""))
	enforcement := ""
	if d.Refuses() {
		enforcement = d.Enforcement
	}
	for _, line := range []struct{ name, value string }{
		{"severity", d.Severity},
		{"controls", strings.Join(d.Controls, ", ")},
		{"bundles", strings.Join(d.Bundles, ", ")},
		{"asked at", askedAt(d, ", ")},
		{"matches", d.Matches()},
		{"reads", strings.Join(d.Data, ", ")},
		{"enforcement", enforcement},
	} {
		if line.value != "" {
			const column = "             "
			fmt.Fprintf(&text, "%-13s%s\n", line.name, strings.TrimPrefix(wrapped(line.value, column), column))
		}
	}
	if parameters := d.Takes(); len(parameters) > 0 {
		text.WriteString("\nParameters:\n")
		for _, p := range parameters {
			fmt.Fprintf(&text, "  %s: %s\n%s\n", p.Name, strings.Join(p.Words(), ", "), wrapped(p.Description, "      "))
		}
	}
	policy, err := d.Policy(version)
	if err != nil {
		return err
	}
	fmt.Fprintf(&text, "\nA Policy that puts it in force:\n\n%s", policy)
	if len(d.Related) > 0 {
		text.WriteString("\nSee also:\n")
		for _, r := range d.Related {
			fmt.Fprintf(&text, "  %s: %s\n", r.Description, r.URL)
		}
	}
	_, err = io.WriteString(out, text.String())
	return err
}

// maxLine is how wide text for people is.
const maxLine = 100

// wrapped breaks a text into lines, each after the indent.
func wrapped(text, indent string) string {
	var out strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(indent) && len(line)+len(word) >= maxLine {
			out.WriteString(line + "\n")
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	return out.String() + line
}
