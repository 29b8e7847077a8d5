package cmd

import (
	"net/url"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/webhook/controlplane"
)

// serviceAccount is the user as whom a Portcullis of the chart speaks with the API server.
func (f *setupFlags) serviceAccount() string {
	return "system:serviceaccount:" + f.namespace + ":" + f.name
}

// warnings are what may lock a cluster, leave it open, or never work, of what was asked for.
func (f *setupFlags) warnings(o controlplane.Options) []string {
	var out []string
	if host := hostOf(o.URL); strings.HasSuffix(host, ".svc") || strings.Contains(host, ".svc.") {
		out = append(out, host+" is the name of a Service, and an API server that runs on its machine's network, as most do, cannot resolve it: "+
			"nobody would be asked. Give an address that this machine knows, as https://127.0.0.1:8443 of a Portcullis beside it")
	}
	if len(f.policies.from) == 0 && (o.Callouts == nil || slices.Contains(o.Callouts, controlplane.Mutate) || slices.Contains(o.Callouts, controlplane.Validate)) {
		out = append(out, "without --policies, the admission webhooks are asked about everything, and while no Portcullis answers, everything is admitted: "+
			"it is the policies that say what must be refused then. Give with --policies those that it will serve")
	}
	if o.GuardFails {
		out = append(out, "with --guard-fails, while no Portcullis answers, everything is refused to everybody but system:masters, nodes, the control plane, "+
			"the service accounts of kube-system and "+strings.Join(o.Unasked, ", ")+". "+
			"If it runs in the cluster, name with --unasked-user whom else its Pods need to start, as a network plugin outside of kube-system")
	}
	if o.ImageFails {
		out = append(out, "with --image-fails, while no Portcullis answers, no Pod of any namespace is made, those of kube-system and of Portcullis itself included: "+
			"the plugin can leave out none. Run Portcullis where no API server admits it, as a static Pod or outside of the cluster")
	}
	return out
}

// hostOf is the host of an address that was checked.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}
