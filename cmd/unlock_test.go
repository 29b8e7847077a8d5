package cmd

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// Everything is registered with Fail and no Portcullis runs: the cluster can be unlocked with the API server alone, and says who did it.
func TestUnlockWithNothingButTheAPIServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true, Users: map[string][]string{"operator": {"system:masters"}, "alice": {"dev"}}})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	portcullis := func(args ...string) (int, string) {
		var out buffer
		code := Run(t.Context(), append(args, "--kubeconfig="+c.UserKubeconfig("operator")), nil, &out, &out)
		return code, out.String()
	}
	const absent = "portcullis: there is no webhook configuration named \"portcullis\"; if the release has another name, give it with --name\n"
	if code, out := portcullis("unlock", "--for=1h", "--reason=x"); code != exitFault || out != absent {
		t.Errorf("without a release: %d %s", code, out)
	}
	if code, out := portcullis("unlock", "--for=1h", "--reason=x", "--ignore-not-found"); code != exitOK || out != "nothing is registered\n" {
		t.Errorf("without a release, and that may be: %d %s", code, out)
	}
	plan := registration.Plan([]registration.Interest{{Phase: registration.Mutate, Fail: true}, {Phase: registration.Validate, Fail: true}},
		registration.Options{Name: "portcullis", Namespace: "portcullis-system", URL: "https://127.0.0.1:1"})
	if _, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), plan.Validating, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(t.Context(), plan.Mutating, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	write := func(name string) error {
		_, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}},
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	eventually(t, "locked", func() bool { return write("a") != nil })

	var refused buffer
	if code := Run(t.Context(), []string{"unlock", "--for=1h", "--reason=x", "--kubeconfig=" + c.UserKubeconfig("alice")}, nil, io.Discard, &refused); code != exitFault ||
		!strings.Contains(refused.String(), `User "alice" cannot patch resource "validatingwebhookconfigurations"`) {
		t.Errorf("alice, who may not: %d %s", code, refused.String())
	}
	if code, out := portcullis("unlock", "--for=25h", "--reason=x"); code != exitFault ||
		out != "portcullis: a cluster can be unlocked for at most 24h0m0s, not for 25h0m0s\n" {
		t.Errorf("too long: %d %s", code, out)
	}
	code, out := portcullis("unlock", "--for=1h", "--reason=the registry is down")
	said := regexp.MustCompile(`^unlocked until (\S+Z) by operator: the registry is down\nportcullis lock ends it earlier\n$`).FindStringSubmatch(out)
	if code != exitOK || said == nil {
		t.Fatalf("%d %s", code, out)
	}
	eventually(t, "unlocked", func() bool { return write("a") == nil })
	live, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), "portcullis", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(live.Annotations[registration.UnlockedUntil], live.Annotations[registration.UnlockedBy], live.Annotations[registration.UnlockedReason])
	if got != said[1]+"operator"+"the registry is down" || len(live.Webhooks) > 0 {
		t.Errorf("%v %v", live.Annotations, live.Webhooks)
	}
	if code, out := portcullis("lock"); code != exitOK || out != "locked by operator; the webhooks are back when a Portcullis has registered them\n" {
		t.Errorf("%d %s", code, out)
	}
	events, err := client.EventsV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "regarding.name=portcullis"})
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	for _, e := range events.Items {
		if e.Regarding.Kind == "ValidatingWebhookConfiguration" && e.Regarding.APIVersion == admissionregistrationv1.SchemeGroupVersion.String() {
			heard = append(heard, e.Type+" "+e.Reason+" "+e.Note)
		}
	}
	slices.Sort(heard)
	want := "Normal Locked operator ended what unlock began\nWarning Unlocked operator took the admission webhooks away until " + said[1] + ": the registry is down"
	if got := strings.Join(heard, "\n"); got != want {
		t.Errorf("the events are\n%s", got)
	}
}
