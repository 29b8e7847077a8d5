package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newPolicies() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policies",
		Short: "Lists and shows the policies of the library",
		Long: `The library is the policies that Portcullis brings along. Those that are put in force together have one name, a bundle: pss-baseline and
pss-restricted are the Pod Security Standards, and best-practice is what most clusters are better off with.`,
		Example: `  portcullis policies list --bundle pss-baseline
  portcullis policies show pods.privileged`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("policies knows no %q; it knows list and show", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }, // arguments are looked at only of what can run
	}
	cmd.AddCommand(newPoliciesList(), newPoliciesShow())
	return cmd
}
