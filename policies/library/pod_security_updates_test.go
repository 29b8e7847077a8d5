package library

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/admission"
	configuration "k8s.io/pod-security-admission/admission/api"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"

	"github.com/portcullis-dev/portcullis/review"
)

// plugin is Kubernetes' own admission plugin, for a namespace whose labels say one level and version.
type plugin struct {
	*admission.Admission
	labels map[string]string
}

func newPlugin(t testing.TB, o oracle) *plugin {
	t.Helper()
	p := &plugin{}
	p.Admission = &admission.Admission{
		Configuration: &configuration.PodSecurityConfiguration{Defaults: configuration.PodSecurityDefaults{
			Enforce: "privileged", EnforceVersion: "latest", Audit: "privileged", AuditVersion: "latest", Warn: "privileged", WarnVersion: "latest",
		}},
		Evaluator: o.Evaluator, Metrics: unmeasured{}, PodSpecExtractor: admission.DefaultPodSpecExtractor{}, NamespaceGetter: p, PodLister: p,
	}
	if err := p.CompleteConfiguration(); err != nil {
		t.Fatal(err)
	}
	if err := p.ValidateConfiguration(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *plugin) GetNamespace(_ context.Context, name string) (*corev1.Namespace, error) {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: p.labels}}, nil
}

func (p *plugin) ListPods(context.Context, string) ([]*corev1.Pod, error) { return nil, nil }

// refuses is the plugin's verdict on an UPDATE of a Pod or of a subresource of it.
func (p *plugin) refuses(t testing.TB, lv api.LevelVersion, subresource string, before, after *corev1.Pod) bool {
	t.Helper()
	p.labels = map[string]string{api.EnforceLevelLabel: string(lv.Level), api.EnforceVersionLabel: lv.Version.String()}
	response := p.Validate(t.Context(), &api.AttributesRecord{
		Name: "x", Namespace: "shop", Kind: corev1.SchemeGroupVersion.WithKind("Pod"), Resource: corev1.SchemeGroupVersion.WithResource("pods"),
		Subresource: subresource, Operation: admissionv1.Update, Object: after, OldObject: before, Username: "jane",
	})
	if !response.Allowed && response.Result.Reason != metav1.StatusReasonForbidden {
		t.Fatalf("the plugin has no verdict: %v", response.Result)
	}
	return !response.Allowed
}

type unmeasured struct{}

func (unmeasured) RecordEvaluation(metrics.Decision, api.LevelVersion, metrics.Mode, api.Attributes) {
}

func (unmeasured) RecordExemption(api.Attributes) {}

func (unmeasured) RecordError(bool, api.Attributes) {}

// stored is a Pod as the API server has it: decoded, with a container at least, and with names that are no other container's.
func stored(t testing.TB, made map[string]any) *corev1.Pod {
	t.Helper()
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := json.Unmarshal(text, pod); err != nil {
		t.Fatal(err)
	}
	pod.APIVersion, pod.Kind = "v1", "Pod"
	if len(pod.Spec.Containers) == 0 {
		pod.Spec.Containers = []corev1.Container{{Image: "registry.example.com/app:1"}}
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Name = fmt.Sprintf("app-%d", i)
	}
	for i := range pod.Spec.InitContainers {
		pod.Spec.InitContainers[i].Name = fmt.Sprintf("setup-%d", i)
	}
	for i := range pod.Spec.EphemeralContainers {
		pod.Spec.EphemeralContainers[i].Name = fmt.Sprintf("debug-%d", i)
	}
	return pod
}

// updates are what may become of a Pod: all that the API server lets be changed, and much that it does not.
func (m maker) updates(t testing.TB) map[string]func(*corev1.Pod) {
	const key = "example.com/x"
	return map[string]func(*corev1.Pod){
		"a label":                func(p *corev1.Pod) { p.Labels = map[string]string{key: "x"} },
		"no finalizers any more": func(p *corev1.Pod) { p.Finalizers = nil },
		"an owner":               func(p *corev1.Pod) { p.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: "x"}} },
		"annotations": func(p *corev1.Pod) {
			p.Annotations = stored(t, map[string]any{"metadata": map[string]any{"annotations": m.annotations()}}).Annotations
		},
		"the status":        func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning },
		"a toleration":      func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key}) },
		"a deadline":        func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64(1)) },
		"a period of grace": func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(1)) },
		"no gates any more": func(p *corev1.Pod) { p.Spec.SchedulingGates, p.Spec.NodeSelector = nil, map[string]string{key: "x"} },
		"a node":            func(p *corev1.Pod) { p.Spec.NodeName = "x" },
		"resources":         func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Claims = []corev1.ResourceClaim{{Name: "x"}} },
		"an image": func(p *corev1.Pod) {
			p.Spec.Containers[m.IntN(len(p.Spec.Containers))].Image = "registry.example.com/app:2"
		},
		"an image less": func(p *corev1.Pod) { p.Spec.Containers[m.IntN(len(p.Spec.Containers))].Image = "" },
		"an image of an init container": func(p *corev1.Pod) {
			if n := len(p.Spec.InitContainers); n > 0 {
				p.Spec.InitContainers[m.IntN(n)].Image = "registry.example.com/app:2"
			}
		},
		"an image of an ephemeral container": func(p *corev1.Pod) {
			if n := len(p.Spec.EphemeralContainers); n > 0 {
				p.Spec.EphemeralContainers[m.IntN(n)].Image = "registry.example.com/app:2"
			}
		},
		"an ephemeral container": func(p *corev1.Pod) {
			p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, corev1.EphemeralContainer{
				EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "new", Image: "registry.example.com/app:1"},
			})
		},
		"a container":                 func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "new"}) },
		"no init containers any more": func(p *corev1.Pod) { p.Spec.InitContainers = nil },
		"a privilege":                 func(p *corev1.Pod) { p.Spec.HostNetwork = !p.Spec.HostNetwork },
		"everything": func(p *corev1.Pod) {
			debuggers := p.Spec.EphemeralContainers
			*p = *stored(t, m.pod())
			p.Spec.EphemeralContainers = debuggers // the API server never lets one be taken away, and the plugin does not look for it
		},
	}
}

// An UPDATE of a Pod is judged as by Kubernetes' own admission plugin, which passes over those that change nothing it cares about, whatever the
// Pod is.
func TestUpdatesOfPodsAreJudgedAsByKubernetes(t *testing.T) {
	count, seed := number(t, "PODS", 1000), number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d PODS=%d", seed, count)
	j := newJudges(t)
	theirs := newPlugin(t, j.oracle)
	refused, spared := 0, 0
	for i := range max(count/2, 1) {
		r := rand.New(rand.NewPCG(seed+i, seed+i))
		m := maker{r}
		before := stored(t, m.pod())
		before.Finalizers = []string{"batch.kubernetes.io/job-tracking"}
		after := before.DeepCopy()
		all := m.updates(t)
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range all {
				if !yield(name) {
					return
				}
			}
		})
		var made []string
		for range r.IntN(3) {
			name := names[r.IntN(len(names))]
			all[name](after)
			made = append(made, name)
		}
		lv := api.LevelVersion{Level: []api.Level{api.LevelBaseline, api.LevelRestricted}[r.IntN(2)], Version: versions()[r.IntN(newest+1)]}
		subresource := []string{"", "", "ephemeralcontainers", "resize", "status"}[r.IntN(5)]
		want := theirs.refuses(t, lv, subresource, before, after)
		got := j.refusesUpdate(t, lv, subresource, before, after)
		if got != want {
			t.Fatalf("SEED=%d PODS=1: pods/%s, %s, %v: Kubernetes refuses it: %v, and we: %v\n%s\n%s", seed+i, subresource, lv.String(), made, want, got,
				text(t, before), text(t, after))
		}
		if want {
			refused++
		} else if len(j.oracle.refusals(t, lv, after)) > 0 {
			spared++
		}
	}
	if count >= 1000 && (refused < 10 || spared < 10) {
		t.Errorf("%d were refused, and %d let pass for what they change", refused, spared)
	}
}

// refusesUpdate is whether a rule that stands for a check of the level refuses an UPDATE.
func (j judges) refusesUpdate(t testing.TB, lv api.LevelVersion, subresource string, before, after *corev1.Pod) bool {
	t.Helper()
	decision, err := j.sets[lv.Version].Review(t.Context(), update(t, "", "pods", subresource, "Pod", before, after))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(decision.Findings, func(f review.Finding) bool {
		if f.Fault {
			t.Fatalf("%s: %s: %s", f.Policy, f.Message, f.Cause)
		}
		for _, check := range checks {
			if check.rule == f.Policy {
				return lv.Level == api.LevelBaseline && check.baseline != "" || lv.Level == api.LevelRestricted && check.restricted != ""
			}
		}
		t.Fatalf("%s stands for no check", f.Policy)
		return false
	})
}

func update(t testing.TB, group, resource, subresource, kind string, before, after any) *review.Request {
	t.Helper()
	body := text(t, map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": map[string]any{
		"uid": "u", "operation": "UPDATE", "name": "x", "namespace": "shop", "userInfo": map[string]any{"username": "jane"},
		"kind":     map[string]any{"group": group, "version": "v1", "kind": kind},
		"resource": map[string]any{"group": group, "version": "v1", "resource": resource}, "subResource": subresource,
		"object": after, "oldObject": before,
	}})
	req, _, err := review.DialectValidate(body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func text(t testing.TB, of any) []byte {
	t.Helper()
	out, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
