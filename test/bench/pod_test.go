package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
)

func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("there is more after the JSON: %v", err)
	}
}

func TestPods(t *testing.T) {
	left := regexp.MustCompile(`@[a-z0-9-]+\.[hdi][0-9]*@`)
	for name, kind := range map[string]podKind{"live": livePod, "lax": laxPod, "sent": sentPod} {
		t.Run(name, func(t *testing.T) {
			pods := must(newPods(kind, func(o object) (*template, error) { return newTemplate(o) }))(t)
			seen := map[string]bool{}
			for number := range uint64(20 * podShapes) {
				text := pods.text(number)
				if hole := left.Find(text); hole != nil {
					t.Fatalf("a hole was left: %s", hole)
				}
				var pod corev1.Pod
				strictly(t, text, &pod)
				switch size := len(text); {
				case kind != sentPod && (size < 12_000 || size > 14_000):
					t.Fatalf("a Pod has %d bytes", size)
				case len(pod.Spec.Containers) != 3:
					t.Errorf("a Pod has %d containers", len(pod.Spec.Containers))
				case (kind == sentPod) != (len(pod.ManagedFields) == 0):
					t.Errorf("a Pod has %d managed fields", len(pod.ManagedFields))
				case !strings.Contains(pod.Spec.Containers[0].Image, "@sha256:"):
					t.Errorf("an image is %s", pod.Spec.Containers[0].Image)
				}
				for _, unique := range []string{pod.Name, pod.Spec.Containers[0].Image, pod.Spec.Containers[2].Image, string(text)} {
					if seen[unique] {
						t.Errorf("two Pods have %.200s", unique)
					}
					seen[unique] = true
				}
			}
			if first := pods.text(7); !bytes.Equal(first, pods.text(7)) || !bytes.Equal(first, must(newPods(kind, func(o object) (*template, error) { return newTemplate(o) }))(t).text(7)) {
				t.Error("the same number makes another Pod the second time")
			}
		})
	}
}

func TestReviews(t *testing.T) {
	uid := must(newUID())(t)
	templates := must(newPods(livePod, podCreation))(t)
	for _, a := range []admission{configMap(), lease(), event()} {
		templates = append(templates, must(a.template())(t))
	}
	for number := range uint64(len(templates)) {
		var review admissionv1.AdmissionReview
		strictly(t, templates.text(number), &review)
		if want := string(uid.fill(nil, number)); string(review.Request.UID) != want {
			t.Errorf("the uid is %s and not %s", review.Request.UID, want)
		}
		if update := review.Request.Operation == admissionv1.Update; len(review.Request.Object.Raw) == 0 || update != (len(review.Request.OldObject.Raw) > 0) {
			t.Errorf("%s of %s has the wrong objects", review.Request.Operation, review.Request.Kind)
		}
	}
	traffic := must(accessTraffic())(t)
	for number := range uint64(len(accesses())) {
		var review authorizationv1.SubjectAccessReview
		strictly(t, traffic.question(number).body, &review)
	}
}

func TestAnswersAreChecked(t *testing.T) {
	uid := must(newUID())(t)
	right := string(uid.fill(nil, 1))
	for answer, want := range map[string]string{
		`{"response":{"uid":"` + right + `","allowed":true}}`:                "without a patch",
		`{"response":{"uid":"` + right + `","allowed":true,"patch":"W10="}}`: "",
		`{"response":{"uid":"` + right + `","allowed":false}}`:               "refused",
		`{"response":{"uid":"other","allowed":true}}`:                        "uid",
		`{}`:                 "no response",
		`<html>no</html>`:    "not JSON",
		`{"response":null} `: "no response",
	} {
		err := allowed(uid, 1, true)([]byte(answer))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v and should say %q", answer, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	var out, errs strings.Builder
	o, err := parse([]string{"--workloads", "W1,w3", "--duration", "2s", "-o", "json"}, &out, &errs)
	if err != nil || o.duration != 2*time.Second || o.output != "json" {
		t.Errorf("%+v, %v", o, err)
	}
	if got, err := chosen(o.workloads); err != nil || len(got) != 2 || got[1].name != "W3" {
		t.Errorf("the workloads are %v, %v", got, err)
	}
	if _, err := chosen("W1,W99"); err == nil || !strings.Contains(err.Error(), "W11") {
		t.Errorf("an unknown workload: %v", err)
	}
	for _, bad := range [][]string{{"-o", "xml"}, {"--duration", "0s"}, {"--rounds", "0"}, {"--rate", "-1"}, {"--what"}, {"word"}, {"--server-procs", "0"}} {
		if _, err := parse(bad, &out, &errs); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
	if _, err := parse([]string{"--help"}, &out, &errs); err == nil || !strings.Contains(out.String(), "Examples:") {
		t.Errorf("help is %v %q", err, out.String())
	}
}

func TestReport(t *testing.T) {
	rows := []row{
		{Workload: "W1", Load: "8 in flight", Against: "floor", RateRatio: 0.02, Requests: 10},
		{Workload: "W3", Load: "8 in flight", Against: "floor", RateRatio: 0.6},
		{Workload: "W3", Load: "1 in flight", Against: "floor", RateRatio: 0.1},
	}
	if got := missed(rows); len(got) != 1 || !strings.Contains(got[0], "W1") {
		t.Errorf("missed: %v", got)
	}
	var out strings.Builder
	if err := (options{output: "table"}).print(&out, rows); err != nil || strings.Count(out.String(), "in flight") != 3 || strings.Contains(out.String(), "NaN") {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	if err := (options{output: "json"}).print(&out, rows); err != nil || !json.Valid([]byte(out.String())) {
		t.Errorf("%v\n%s", err, out.String())
	}
}
