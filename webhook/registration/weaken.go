package registration

import (
	"fmt"
	"net/url"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// unanswered reports whether what a phase has registered refuses requests, and the last probe says that for want of an answer.
func (k *Keeper) unanswered(phase Phase, o Options, at []place, live []*object) bool {
	probe := o.probe(phase, nil)
	n := slices.IndexFunc(at, func(p place) bool { return p.phase == phase })
	return k.checked[phase].failed > 0 && closedAt(live[n].webhook(enforceName(phase)), address(&probe))
}

// closedAt reports whether a webhook is registered with Fail and that address.
func closedAt(hook *admissionregistrationv1.MutatingWebhook, at string) bool {
	return hook != nil && *hook.FailurePolicy == admissionregistrationv1.Fail && address(hook) == at
}

// weaken makes Ignore of Fail where it has not been seen that a server answers at that address, or is seen no more. What is Fail there
// already stays so, unless nobody would take it away.
func (k *Keeper) weaken(o Options, at []place, wanted, live []*object) {
	k.weak = false
	defer func() { k.metrics.setOpen(k.weak) }()
	for n, p := range at {
		hook := wanted[n].webhook(enforceName(p.phase))
		if hook == nil {
			continue
		}
		proven := k.proven[p.phase].address == address(hook) && k.checked[p.phase].failed == 0
		if !k.outlives(live[n]) && (proven || closedAt(live[n].webhook(enforceName(p.phase)), address(hook))) {
			continue
		}
		hook.FailurePolicy, k.weak = new(admissionregistrationv1.Ignore), true
		// Another registration is another to probe.
		last := len(wanted[n].Webhooks) - 1
		wanted[n].Webhooks[last].ObjectSelector.MatchLabels[probeLabel] = o.probeValue(p.phase, wanted[n].Webhooks[:last])
	}
}

// address is whom the API server calls, whatever the path.
func address(hook *admissionregistrationv1.MutatingWebhook) string {
	if service := hook.ClientConfig.Service; service != nil {
		return fmt.Sprintf("%s/%s:%d", service.Namespace, service.Name, *service.Port)
	}
	u, err := url.Parse(*hook.ClientConfig.URL) // the API server has checked it
	if err != nil {
		return *hook.ClientConfig.URL
	}
	return u.Scheme + "://" + u.Host
}
