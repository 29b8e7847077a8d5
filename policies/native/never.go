package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// neverHolds returns an error for a condition that nothing asked at the rules' stages can meet: the policy would silently not be asked.
func neverHolds(m v1alpha1.Match, asked []policies.Rule) error {
	at := func(stages ...review.Stage) bool {
		return slices.ContainsFunc(asked, func(r policies.Rule) bool { return slices.Contains(stages, r.Stage) })
	}
	if at(review.Authenticate) {
		return aboutTokens(m)
	}
	if m.Labels != nil && at(review.Guard, review.Grant, review.Image) {
		return under(errors.New("match.labels is for the stage admission: at guard, grant and image there is no object that has labels"), "match", "labels")
	}
	if err := namespaceNames(m); err != nil {
		return err
	}
	if at(review.Image) && m.Resources != nil && !slices.ContainsFunc(m.Resources, coversPods) {
		return under(errors.New(`match.resources: at stage image every question is about Pods, which are not among them; add "pods", or leave match.resources out`),
			"match", "resources")
	}
	switch {
	case at(review.Validate, review.Mutate):
		return connections(m)
	case at(review.Guard, review.Grant):
		return verbs(m.Operations)
	}
	return nil
}

// coversPods reports whether an entry of match.resources covers Pods themselves.
func coversPods(text string) bool {
	return slices.Contains([]string{"*", "*/*", "pods", "pods.core", "core/*"}, text)
}

// aboutTokens refuses all conditions: what is known of a token before a policy has looked at it is the token.
func aboutTokens(m v1alpha1.Match) error {
	for _, condition := range []struct {
		name  string
		given bool
	}{
		{"resources", m.Resources != nil},
		{"operations", m.Operations != nil},
		{"namespaces", m.Namespaces != nil},
		{"excludeNamespaces", m.ExcludeNamespaces != nil},
		{"labels", m.Labels != nil},
		{"namespaceLabels", m.NamespaceLabels != nil},
		{"changes", m.Changes != nil},
	} {
		if condition.given {
			return under(fmt.Errorf("match.%s is not for policies of tokens, which are asked about every token; leave it out", condition.name),
				"match", condition.name)
		}
	}
	return nil
}

// namespaceNames refuses names that no namespace can have.
func namespaceNames(m v1alpha1.Match) error {
	for _, list := range []struct {
		name string
		from []string
	}{{"namespaces", m.Namespaces}, {"excludeNamespaces", m.ExcludeNamespaces}} {
		for i, text := range list.from {
			if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-*") == "" && len(text) <= 63 {
				continue
			}
			err := fmt.Errorf(`match.%s: %q is no namespace's name, which is lower-case letters, digits and "-"; a pattern may begin and end with "*"`, list.name, text)
			return under(err, "match", list.name, strconv.Itoa(i))
		}
	}
	return nil
}

// connections refuses CONNECT without anything to connect to, and what is only connected to without CONNECT.
func connections(m v1alpha1.Match) error {
	if slices.Contains(m.Operations, "*") {
		return nil
	}
	connect := slices.Contains(m.Operations, "CONNECT")
	possible := false
	for i, text := range m.Resources {
		name, subresource, _ := strings.Cut(text, "/")
		plural, group, _ := strings.Cut(name, ".")
		builtin := len(groupsOf(plural)) > 0 && (group == "" || group == "core")
		if builtin && connected(plural, subresource) && !connect {
			err := fmt.Errorf(`match.resources: %q is only connected to; write "operations: [CONNECT]", or "stage: guard" for a guard`, text)
			return under(err, "match", "resources", strconv.Itoa(i))
		}
		_, known := builtIn()[name] // all of a group, "networking.k8s.io/*"
		possible = possible || text == "*/*" || builtin && connected(plural, subresource) ||
			!builtin && !known && strings.Contains(name, ".") && len(builtIn()[group]) == 0
	}
	if connect && !possible {
		at := strconv.Itoa(slices.Index(m.Operations, "CONNECT"))
		return under(errors.New(`match.operations: CONNECT is of subresources alone, and match.resources names none that is connected to, such as "pods/exec"`),
			"match", "operations", at)
	}
	return nil
}

// verbs refuses slips of the verbs of Kubernetes, in whatever case they are written.
func verbs(given []string) error {
	for i, verb := range given {
		if err := misspeltVerb(strings.ToLower(verb)); err != nil {
			return under(fmt.Errorf("match.operations: %w", err), "match", "operations", strconv.Itoa(i))
		}
	}
	return nil
}

func verbsOfKubernetes() []string {
	return []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "escalate"}
}

func misspeltVerb(verb string) error {
	if verb == "connect" {
		return errors.New("to a guard or a grant, who connects creates or gets; write create and get")
	}
	if near := spelling.Nearest(verb, verbsOfKubernetes()...); near != "" && near != verb {
		return fmt.Errorf("%q is no verb of Kubernetes; did you mean %s?", verb, near)
	}
	return nil
}
