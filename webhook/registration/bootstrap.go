package registration

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// bootstrap is what a controller of Kubernetes makes by itself where a cluster or a namespace is new. What the API server makes is spared
// by its user; a controller is spared only with the objects named here, since others of its objects are what people have it make.
type bootstrap struct {
	controller string // its service account in kube-system
	Resource
	named string // in CEL
}

func bootstraps() []bootstrap {
	return []bootstrap{
		{"service-account-controller", Resource{"", "serviceaccounts", ""}, `request.name == "default"`},
		{"root-ca-cert-publisher", Resource{"", "configmaps", ""}, `request.name == "kube-root-ca.crt"`},
		// What people add to these roles is in roles of their own, which are judged.
		{"clusterrole-aggregation-controller", Resource{rbacGroup, "clusterroles", ""}, `request.name in ["admin", "edit", "view"]`},
		{
			"kube-apiserver-serving-clustertrustbundle-publisher",
			Resource{"certificates.k8s.io", "clustertrustbundles", ""},
			`request.name.startsWith("kubernetes.io:kube-apiserver-serving:")`,
		},
		{"service-cidrs-controller", Resource{"networking.k8s.io", "servicecidrs", all}, `request.name == "kubernetes"`},
	}
}

// bootstrapping is the condition that spares what of all that rules of these atoms are about; there is none if they are about none of it.
//
// Who may act as one of these users may do everything anyway: the one is the control plane itself, and whoever gets at a service account
// of kube-system gets at that which may extend roles. Still only what is named passes for them.
func bootstrapping(atoms []atom) []admissionregistrationv1.MatchCondition {
	var made []string
	for _, b := range bootstraps() {
		if !includes(atoms, b.Resource) {
			continue
		}
		// A control plane whose controllers have no service accounts of their own has one user for all of them.
		users := list([]string{"system:kube-controller-manager", "system:serviceaccount:kube-system:" + b.controller})
		one := fmt.Sprintf("request.userInfo.username in %s && request.resource.group == %s && request.resource.resource == %s && %s",
			users, quote(b.Group), quote(b.Resource.Resource), b.named)
		if b.Subresource == "" {
			one += " && !has(request.subResource)"
		}
		made = append(made, "("+one+")")
	}
	if made == nil {
		return nil
	}
	return []admissionregistrationv1.MatchCondition{{
		Name:       "not-what-controllers-make-by-themselves",
		Expression: "!has(request.userInfo.username) || !has(request.name) || !(" + strings.Join(made, " || ") + ")",
	}}
}
