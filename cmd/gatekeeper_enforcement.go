package cmd

import (
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/policies"
)

// gatekeeperEnforcement says whether Gatekeeper's policies are in force here, or whether a Gatekeeper beside this server still decides.
type gatekeeperEnforcement string

// The values of --gatekeeper-enforcement.
const (
	gatekeeperDenies gatekeeperEnforcement = "deny"
	gatekeeperWarns  gatekeeperEnforcement = "warn"
)

// enforcementAnnotation tells the value at the webhook configurations.
const enforcementAnnotation = "portcullis.dev/gatekeeper-enforcement"

func (e *gatekeeperEnforcement) add(flags *pflag.FlagSet) {
	flags.StringVar((*string)(e), "gatekeeper-enforcement", string(gatekeeperDenies), "deny or warn: while Gatekeeper itself decides, warn has its constraints judged, and refuse nothing, and leaves its mutators to it")
}

func (e gatekeeperEnforcement) check() error {
	if e != gatekeeperDenies && e != gatekeeperWarns {
		return fmt.Errorf("--gatekeeper-enforcement %q is neither deny nor warn", string(e))
	}
	return nil
}

// warns reports whether a Gatekeeper beside this server decides.
func (e gatekeeperEnforcement) warns() bool { return e == gatekeeperWarns }

// ease has the policies that are loaded, and the mutators, leave the decision to Gatekeeper if they should.
func (e gatekeeperEnforcement) ease(loader *policies.Loader, theirs *Mutators, log *slog.Logger) {
	if !e.warns() {
		return
	}
	loader.Options = append(loader.Options, policies.WithGatekeeperWarnings())
	theirs.rest = true
	log.Warn("Gatekeeper's constraints refuse nothing here, and its mutators change nothing: set --gatekeeper-enforcement=deny when Gatekeeper is gone")
}
