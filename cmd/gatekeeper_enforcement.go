package cmd

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/review"
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

// easeCheck has constraints pass that would refuse what the cluster lives by, while they refuse nothing: what Gatekeeper enforces is judged here, too.
// It is told, for it keeps them out of force once they would.
func (e gatekeeperEnforcement) easeCheck(
	check func(context.Context, *policies.Policy) error, log *slog.Logger,
) func(context.Context, *policies.Policy) error {
	if !e.warns() {
		return check
	}
	return func(ctx context.Context, policy *policies.Policy) error {
		err := check(ctx, policy)
		if err == nil || ctx.Err() != nil || policy.Spec().Convention != policies.Gatekeeper {
			return err
		}
		log.Warn("a constraint only warns, because gatekeeper-enforcement is warn; with deny it would not be in force", "policy", policy.Spec().ID, "why", err)
		return nil
	}
}

// easeGate has the gate only warn about Gatekeeper's objects while Gatekeeper decides: it has a webhook of its own for them.
func (e gatekeeperEnforcement) easeGate(gate review.Reviewer) review.Reviewer {
	if !e.warns() {
		return gate
	}
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		d, err := gate.Review(ctx, req)
		if err != nil || !gatekeeper.Concerns(req.Target.Group) {
			return d, err
		}
		for i, f := range d.Findings {
			if f.Effect == review.EffectDeny {
				d.Findings[i].Effect = review.EffectWarn
				d.Findings[i].Message = review.Sentence("not refused, because gatekeeper-enforcement is warn: "+f.Message, review.MaxMessage)
			}
		}
		d.Verdict = review.Allow
		return d, nil
	})
}
