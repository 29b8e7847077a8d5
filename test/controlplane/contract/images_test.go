package contract

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

const (
	// registries is in force everywhere, pinned only where it counts.
	registries = `apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: registries}
spec:
  use: images.allowed_registries
  parameters: {registries: [registry.example.com]}
`
	pinned = `apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: pinned}
spec:
  use: images.trusted
  match: {namespaces: [prod-*]}
`

	ours   = "registry.example.com/shop/app:1.4"
	digest = "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"

	forbidden = `pods "web" is forbidden: `
	denied    = forbidden + "image policy webhook backend denied one or more images: "
	nginx     = "registries: the image docker.io/library/nginx is not from an allowed registry; use one of registry.example.com"

	auditPrefix = "imagepolicywebhook.image-policy.k8s.io/"
	failedOpen  = auditPrefix + "failed-open"
	// failedOpenPod is what the plugin still writes into the Pod.
	failedOpenPod = "alpha.image-policy.k8s.io/failed-open"
)

func TestThePluginRefusesWhatThePoliciesRefuse(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries, "pinned.yaml": pinned})
	plugin := imagePolicyWebhook(t, s, false)
	for _, c := range []struct {
		name    string
		request request
		refusal string // nothing: it is allowed
	}{
		{"an image of our registry is allowed", request{object: running(ours)}, ""},
		{"one of another is refused", request{object: running("nginx:1.27")}, denied + nginx},
		{
			"a registry whose name only begins like ours is another",
			request{object: running("registry.example.com.evil.org/app:1")},
			denied + "registries: the image registry.example.com.evil.org/app is not from an allowed registry; " +
				"use one of registry.example.com",
		},
		{
			"what cannot be an image is refused",
			request{object: running("Nginx")},
			denied + `registries: "Nginx" is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG`,
		},
		{
			"one bad container of three is enough",
			request{object: running(ours, "nginx:1.27", ours+"-debug")},
			denied + nginx,
		},
		{
			"each bad container is named",
			request{object: running("nginx:1.27", ours, "ghcr.io/acme/tool:2")},
			denied + "2 reasons:\n- registries: the image docker.io/library/nginx is not from an allowed registry; " +
				"use one of registry.example.com\n- registries: the image ghcr.io/acme/tool is not from " +
				"an allowed registry; use one of registry.example.com",
		},
		{
			"init containers come after the others in the plugin's question",
			request{object: pod(list("initContainers", "nginx:1.27") + ", " + list("containers", ours))},
			denied + nginx,
		},
		{
			"a sidecar is an init container",
			request{object: pod("initContainers: [{name: side, image: nginx, restartPolicy: Always}], " + list("containers", ours))},
			denied + nginx,
		},
		{
			"an ephemeral container of our registry may be added to a Pod whatever it runs",
			ephemeral(pod(list("containers", "nginx:1.27")+", "+list("ephemeralContainers", ours)), running("nginx:1.27")), "",
		},
		{
			"one of another may not",
			ephemeral(pod(list("containers", ours)+", "+list("ephemeralContainers", ours, "nginx:1.27")), running(ours)),
			denied + nginx,
		},
		{
			"an update to our registry is allowed",
			request{operation: admission.Update, object: running(ours), old: running("nginx:1.27")},
			"",
		},
		{
			"an update away from it is refused",
			request{operation: admission.Update, object: running("nginx:1.27"), old: running(ours)},
			denied + nginx,
		},
		{
			"a policy with namespaces refuses in them",
			request{namespace: "prod-shop", object: running(ours)},
			denied + `pinned: the image "registry.example.com/shop/app:1.4" is not pinned; add its digest, as in REPOSITORY:TAG@sha256:...`,
		},
		{"and allows in them what it is content with", request{namespace: "prod-shop", object: running(ours + "@" + digest)}, ""},
		{"and has no say in others", request{namespace: "preprod-shop", object: running(ours)}, ""},
		{
			"two policies are heard in the order of their names",
			request{namespace: "prod-shop", object: running("nginx")},
			denied + "2 reasons:\n- pinned: the image \"nginx\" is not pinned; add its digest, as in REPOSITORY:TAG@sha256:...\n- " + nginx,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.request.attributes(t)
			err := plugin.Validate(t.Context(), a, nil)
			if got := sentence(err); got != c.refusal {
				t.Errorf("it says\n%s\nwant\n%s", got, c.refusal)
			}
			if err != nil && !apierrors.IsForbidden(err) {
				t.Errorf("it is %T, not Forbidden", err)
			}
			if _, open := a.annotations[failedOpen]; open {
				t.Error("it failed open")
			}
		})
	}
}

// ephemeral is what kubectl debug asks.
func ephemeral(object, old string) request {
	return request{operation: admission.Update, subresource: "ephemeralcontainers", object: object, old: old}
}

func TestTheAuditEventNamesThePoliciesThatRefuse(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries, "pinned.yaml": pinned})
	plugin := imagePolicyWebhook(t, s, false)
	revisions, decisions := map[string]bool{}, map[string]string{}
	for _, c := range []struct{ namespace, image, deniedBy string }{
		{"shop", ours, ""},
		{"shop", "nginx", "registries"},
		{"prod-shop", ours, "pinned"},
		{"prod-shop", "nginx", "pinned,registries"},
		{"prod-shop", "nginx", "pinned,registries"}, // from the plugin's memory
	} {
		a := request{namespace: c.namespace, object: running(c.image)}.attributes(t)
		_ = plugin.Validate(t.Context(), a, nil)
		revisions[a.annotations[auditPrefix+"revision"]] = true
		delete(a.annotations, auditPrefix+"revision")
		// By the same id the decision is found in the decision log, also when the plugin remembers the answer.
		id, of := a.annotations[auditPrefix+"decision"], c.namespace+" "+c.image
		if before, again := decisions[of]; id == "" || again && id != before {
			t.Errorf("%s: the decision %q, after %q", of, id, before)
		}
		decisions[of] = id
		delete(a.annotations, auditPrefix+"decision")
		want := map[string]string{}
		if c.deniedBy != "" {
			want[auditPrefix+"denied-by"] = c.deniedBy
		}
		if !maps.Equal(a.annotations, want) {
			t.Errorf("%s in %s: %v", c.image, c.namespace, a.annotations)
		}
	}
	if len(revisions) != 1 || revisions[""] {
		t.Errorf("one set of policies answered under the revisions %v", slices.Collect(maps.Keys(revisions)))
	}
}

// What the plugin leaves out is for policies that are asked at admission.
func TestThePluginAsksOnlyAboutPods(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries})
	plugin := imagePolicyWebhook(t, s, false)
	for _, c := range []struct {
		name    string
		request request
	}{
		{"a Deployment", request{resource: "deployments", object: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web},
			spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: nginx}]}}}}`}},
		{"the status of a Pod", request{operation: admission.Update, subresource: "status", object: running("nginx"), old: running("nginx")}},
		{"the resources of a Pod", request{operation: admission.Update, subresource: "resize", object: running("nginx"), old: running("nginx")}},
		{"the end of a Pod", request{operation: admission.Delete, old: running("nginx")}},
		{"a command in a Pod", request{operation: admission.Connect, subresource: "exec"}},
	} {
		if err := plugin.Validate(t.Context(), c.request.attributes(t), nil); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := s.asked(t); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// This is why images.allowed_registries has two stages.
func TestThePluginDoesNotSeeImageVolumesButAdmissionDoes(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries})
	a := request{object: pod(list("containers", ours) + ", volumes: [{name: models, image: {reference: quay.io/acme/models:1}}]")}.attributes(t)
	if err := imagePolicyWebhook(t, s, false).Validate(t.Context(), a, nil); err != nil {
		t.Errorf("the plugin saw it: %v", err)
	}
	if n := s.asked(t); n != 1 {
		t.Errorf("the server was asked %d times, want once", n)
	}
	sent, err := runtime.Encode(legacyscheme.Codecs.LegacyCodec(corev1.SchemeGroupVersion), a.GetObject())
	must(t, err)
	const want = "registries: the image quay.io/acme/models is not from an allowed registry; use one of registry.example.com " +
		"(spec.volumes[0].image.reference)"
	if got := s.validate(t, sent); got != want {
		t.Errorf("admission says\n%s\nwant\n%s", got, want)
	}
}

func TestThePluginAsksOnceAboutTheSameImages(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries})
	plugin := imagePolicyWebhook(t, s, false)
	for _, c := range []struct {
		what    string
		request request
		refusal string
		asked   int // in all, thereafter
	}{
		{"a Pod", request{object: running(ours)}, "", 1},
		{"the same", request{object: running(ours)}, "", 1},
		{"its update", request{operation: admission.Update, object: running(ours), old: running("nginx")}, "", 1},
		{"the same elsewhere", request{namespace: "other", object: running(ours)}, "", 2},
		{"a bad one", request{object: running("nginx")}, denied + nginx, 3},
		{"the same bad one", request{object: running("nginx")}, denied + nginx, 3},
	} {
		if got := sentence(plugin.Validate(t.Context(), c.request.attributes(t), nil)); got != c.refusal {
			t.Errorf("%s: it says\n%s\nwant\n%s", c.what, got, c.refusal)
		}
		if n := s.asked(t); n != c.asked {
			t.Errorf("%s: the server has been asked %d times, want %d", c.what, n, c.asked)
		}
	}
}

func TestDefaultAllowDecidesWhenTheServerIsDown(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries})
	s.stop()
	for _, c := range []struct {
		defaultAllow bool
		refusal      string
	}{
		{false, forbidden + `Post "https://` + s.listen + `/image?timeout=30s": dial tcp ` + s.listen + ": connect: connection refused"},
		{true, ""},
	} {
		a := request{object: running(ours)}.attributes(t)
		if got := sentence(imagePolicyWebhook(t, s, c.defaultAllow).Validate(t.Context(), a, nil)); got != c.refusal {
			t.Errorf("defaultAllow %t: it says\n%s\nwant\n%s", c.defaultAllow, got, c.refusal)
		}
		want := map[string]string{}
		if c.defaultAllow {
			want[failedOpen] = "true"
		}
		if !maps.Equal(a.annotations, want) {
			t.Errorf("defaultAllow %t: the audit event has %v, want %v", c.defaultAllow, a.annotations, want)
		}
		object, err := meta.Accessor(a.GetObject())
		must(t, err)
		if got := object.GetAnnotations()[failedOpenPod] == "true"; got != c.defaultAllow {
			t.Errorf("defaultAllow %t: the Pod has %v", c.defaultAllow, object.GetAnnotations())
		}
	}
}

func TestWhatThePluginRemembersOutlivesTheServer(t *testing.T) {
	s := serve(t, map[string]string{"registries.yaml": registries})
	plugin := imagePolicyWebhook(t, s, true)
	good, bad := request{object: running(ours)}, request{object: running("nginx")}
	ask := func(when string) {
		t.Helper()
		for _, c := range []struct {
			request request
			refusal string
		}{{good, ""}, {bad, denied + nginx}} {
			a := c.request.attributes(t)
			if got := sentence(plugin.Validate(t.Context(), a, nil)); got != c.refusal || a.annotations[failedOpen] != "" {
				t.Errorf("%s it says\n%s\nwant\n%s\nannotations: %v", when, got, c.refusal, a.annotations)
			}
		}
	}
	ask("while it runs")
	s.stop()
	ask("afterwards")
}

// A policy that cannot be evaluated is an answer like any other, and not a failure that defaultAllow would decide.
func TestAPolicyThatCannotBeEvaluatedIsAnsweredAsItsOnErrorSays(t *testing.T) {
	for _, onError := range []string{"deny", "warn", "allow"} {
		t.Run(onError, func(t *testing.T) {
			s := serve(t, map[string]string{"broken.yaml": `apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: broken}
spec:
  match: {stage: image}
  onError: ` + onError + `
  rego: |
    package broken
    verdict(image) := "good" if startswith(image, "registry.example.com/")
    verdict(image) := "bad" if contains(image, "/")
    deny contains "it is bad" if verdict(input.spec.containers[0].image) == "bad"
`})
			want := ""
			if onError == "deny" {
				want = denied + "broken: the policy could not be evaluated: eval_conflict_error at " + filepath.Join(s.policies, "broken.yaml") + ":10"
			}
			for _, defaultAllow := range []bool{false, true} {
				a := request{object: running(ours)}.attributes(t)
				if got := sentence(imagePolicyWebhook(t, s, defaultAllow).Validate(t.Context(), a, nil)); got != want {
					t.Errorf("defaultAllow %t: it says\n%s\nwant\n%s", defaultAllow, got, want)
				}
				if _, open := a.annotations[failedOpen]; open {
					t.Errorf("defaultAllow %t: it failed open", defaultAllow)
				}
			}
			if n := s.asked(t); n != 2 {
				t.Errorf("the server was asked %d times, want once by each plugin", n)
			}
		})
	}
}
