package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	opaversion "github.com/open-policy-agent/opa/v1/version"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Prints the version of Portcullis and of the OPA engine in it",
		Example: "  portcullis version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "portcullis %s\nopa %s\ngo %s %s/%s\n",
				version(), opaversion.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is what the build stamped: the module's version, or the commit when it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return developmentBuild
	}
	return versionOf(info)
}

const developmentBuild = "development build"

func versionOf(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	commit := settings["vcs.revision"]
	if commit == "" {
		return developmentBuild
	}
	out := developmentBuild + " of " + commit[:min(12, len(commit))]
	if settings["vcs.modified"] == "true" {
		out += ", modified"
	}
	return out
}
