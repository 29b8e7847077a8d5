package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// hook is Portcullis, registered for the creation of Pods.
type hook struct {
	*child
	plane    *plane
	callouts cluster.Callouts
	count    int
	say      func(string, ...any)
}

// hook starts a server with the policies of the library that policies/cel has, too; it is registered by put.
func (l *lab) hook(ctx context.Context, name string, p *plane) (*hook, error) {
	equals, err := celNames()
	if err != nil {
		return nil, err
	}
	set, err := l.libraryFor(name, func(spec policies.Spec) bool { return judgesPods(spec) && slices.Contains(equals, libraryName(spec)) })
	if err != nil {
		return nil, err
	}
	server, err := l.serve(ctx, name, set.flags)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(l.dir, name+"-certs", "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("the authority of %s: %w", name, err)
	}
	return &hook{child: server, plane: p, count: len(set.specs), say: l.say, callouts: cluster.Callouts{
		URL: server.base, CA: ca, Paths: []string{cluster.Validate},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		}},
	}}, nil
}

func (*hook) String() string  { return "portcullis" }
func (h *hook) policies() int { return h.count }

// put registers the webhook and waits until a bad Pod is refused. Rules that the library does not have are named.
func (h *hook) put(ctx context.Context) error {
	if err := h.callouts.Apply(ctx, h.plane.config); err != nil {
		return err
	}
	const by = "validate.portcullis.dev"
	for i, bad := range h.plane.bad {
		if i == 0 {
			if err := h.plane.until(ctx, "the webhook is called", bad.pod, func(_ int, answer string) bool { return denied(answer, by) }); err != nil {
				return err
			}
			continue
		}
		_, answer, err := h.plane.create(ctx, bad.pod)
		if err != nil {
			return err
		}
		if !denied(answer, by) {
			h.say("the library does not refuse what %s does, so the comparison is not quite fair: %s", bad.policy, excerpt([]byte(answer)))
		}
	}
	return nil
}

func (h *hook) remove(ctx context.Context) error {
	validating, _ := h.callouts.WebhookConfigurations()
	err := h.plane.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(ctx, validating.Name, metav1.DeleteOptions{})
	if err != nil {
		return fmt.Errorf("take back the webhook: %w", err)
	}
	return h.plane.untilAllowed(ctx)
}

// celNames are the names in the library of the policies that policies/cel has.
func celNames() (out []string, err error) {
	entries, err := embedded.ReadDir("policies/cel")
	for _, entry := range entries {
		out = append(out, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	return out, err
}

// celPolicies are the rules of the library as ValidatingAdmissionPolicies.
type celPolicies struct {
	none
	plane *plane
	names []string
}

func newCELPolicies(p *plane) *celPolicies { return &celPolicies{plane: p} }

func (*celPolicies) String() string  { return "cel" }
func (c *celPolicies) policies() int { return len(c.names) }

// put creates the policies and their bindings, and waits until each refuses what it is for.
func (c *celPolicies) put(ctx context.Context) error {
	const dir = "policies/cel"
	entries, err := embedded.ReadDir(dir)
	if err != nil {
		return err
	}
	api := c.plane.client.AdmissionregistrationV1()
	for _, entry := range entries {
		text, err := embedded.ReadFile(path.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
		if err := yaml.UnmarshalStrict(text, policy); err != nil {
			return fmt.Errorf("%s: %w", entry.Name(), err)
		}
		if _, err := api.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("%s: %w", entry.Name(), err)
		}
		c.names = append(c.names, policy.Name)
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: policy.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
			},
		}
		if _, err := api.ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("%s: %w", entry.Name(), err)
		}
	}
	for _, bad := range c.plane.bad {
		by := fmt.Sprintf("ValidatingAdmissionPolicy '%s'", bad.policy)
		if err := c.plane.until(ctx, bad.policy+" is in force", bad.pod, func(_ int, answer string) bool { return denied(answer, by) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *celPolicies) remove(ctx context.Context) error {
	api := c.plane.client.AdmissionregistrationV1()
	for _, name := range c.names {
		if err := api.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		if err := api.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	return c.plane.untilAllowed(ctx)
}

// untilAllowed waits until no bad Pod is refused any more.
func (p *plane) untilAllowed(ctx context.Context) error {
	for _, bad := range p.bad {
		if err := p.until(ctx, "nothing is refused any more", bad.pod, func(code int, _ string) bool { return code == http.StatusCreated }); err != nil {
			return err
		}
	}
	return nil
}
