package drills

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// matrixPolicy refuses everything that one user does to these resources.
func matrixPolicy(user, resources string) string {
	return fmt.Sprintf(`
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: %[1]s}
spec:
  match: {resources: ["%[2]s"], operations: ["*"]}
  rego: |
    package %[1]s

    deny contains "asked" if input.request.userInfo.username == "%[1]s"
`, user, resources)
}

// TestMatrix (P3): every operation on every resource of the API server is tried, as a dry run, by users whom policies on "*/*" and on "*"
// refuse everything. Which requests they are asked about is held in testdata/matrix.txt, and is what the registration was worked out to
// do. That nobody else is refused is the control.
func TestMatrix(t *testing.T) {
	if !*full {
		t.Skip("which ReplicaSets there are when it looks is not settled yet; `make drills` runs it")
	}
	w := start(t)
	w.put(t, "everywhere", matrixPolicy("everywhere", "*/*"))
	w.put(t, "star", matrixPolicy("star", "*"))
	m := &matrix{world: w, t: t, examples: examples(t), users: []rest.Interface{
		w.as("everywhere", "system:masters").RESTClient(), w.as("star", "system:masters").RESTClient(),
	}}
	if err := w.makePod(t.Context(), work, "matrix", "other", false); err != nil {
		t.Fatal(err)
	}
	none := int64(0)
	t.Cleanup(func() {
		_ = w.client.CoreV1().Pods(work).Delete(context.WithoutCancel(t.Context()), "matrix", metav1.DeleteOptions{GracePeriodSeconds: &none})
	})
	until(t, "both are enforced everywhere", func() bool {
		return m.try("everywhere", "UPDATE", "PUT", "/api/v1/namespaces/"+work+"/pods/matrix/status", nil) == asked &&
			m.try("star", "CREATE", "POST", "/apis/apps/v1/namespaces/"+work+"/deployments", m.examples["deployments.apps/v1"]) == asked
	})
	_, all, err := w.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, list := range all {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			if id := resource.Name + "." + group.Group; !done[id] {
				done[id] = true
				m.resource(group, resource)
			}
		}
	}
	slices.Sort(m.lines)
	got := fmt.Sprintf("# What policies on \"*/*\" and on \"*\" are asked about by a real API server, and what was not tried.\n%-70s %-8s %-7s %s\n",
		"# resource", "", "*/*", "*") + strings.Join(m.lines, "\n") + "\n"
	const path = "testdata/matrix.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is asked now; run with UPDATE=1 and look at the difference\n%s", path, got)
	}
	m.asPlanned()
	tried, untried := 0, 0
	for _, line := range m.lines {
		if strings.Contains(line, "not tried") {
			untried++
		} else {
			tried++
		}
	}
	figure(t, "P3: %d operations tried, %d not", tried, untried)
	if err := w.configMap(t.Context(), true); err != nil {
		t.Errorf("control: somebody else is refused: %v", err)
	}
}

// What comes of a request.
const (
	asked  = "asked"
	spared = "spared"
)

type matrix struct {
	world    *world
	t        *testing.T
	examples map[string]map[string]any
	users    []rest.Interface
	lines    []string
}

func examples(t *testing.T) (out map[string]map[string]any) {
	t.Helper()
	text, err := os.ReadFile("testdata/objects.yaml")
	if err == nil {
		soon := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339) // an exception has to end
		err = yaml.Unmarshal([]byte(strings.ReplaceAll(string(text), "${SOON}", soon)), &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// note adds a line.
func (m *matrix) note(group schema.GroupVersion, resource, operation, everywhere, star string) {
	m.lines = append(m.lines, strings.TrimRight(fmt.Sprintf("%-70s %-8s %-7s %s", strings.TrimSuffix(resource+"."+group.Group, "."), operation, everywhere, star), " "))
}

// resource tries everything that the API server lets one do to a resource.
func (m *matrix) resource(group schema.GroupVersion, r metav1.APIResource) {
	base := "/apis/" + group.String()
	if group.Group == "" {
		base = "/api/" + group.Version
	}
	if r.Namespaced {
		base += "/namespaces/" + work
	}
	plural, subresource, _ := strings.Cut(r.Name, "/")
	example := m.examples[strings.TrimSuffix(r.Name+"."+group.Group, ".")+"/"+group.Version]
	collection := base + "/" + plural
	both := func(operation, verb, path string, body map[string]any) {
		one, two := m.try("everywhere", operation, verb, path, body), m.try("star", operation, verb, path, body)
		m.note(group, r.Name, operation, one, two)
	}
	connects := slices.Contains([]string{
		"NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions",
	}, r.Kind)
	creates, updates, deletes := slices.Contains(r.Verbs, "create"), slices.Contains(r.Verbs, "update"), slices.Contains(r.Verbs, "delete")
	if !connects && !creates && !updates && !deletes {
		return
	}
	if creates && !connects && subresource == "" {
		if example == nil {
			m.note(group, r.Name, "CREATE", "not tried: there is no example", "")
		} else {
			both("CREATE", "POST", collection, typed(example, group, r.Kind))
		}
	}
	if !connects && !updates && !deletes && subresource == "" {
		return
	}
	object, done := m.existing(collection, plural, group, r)
	defer done()
	if object == "" {
		for operation, is := range map[string]bool{"CONNECT": connects, "CREATE": creates && subresource != "", "UPDATE": updates, "DELETE": deletes} {
			if is {
				m.note(group, r.Name, operation, "not tried: there is none", "")
			}
		}
		return
	}
	at := object
	if subresource != "" {
		at += "/" + subresource
	}
	switch {
	case connects:
		both("CONNECT", "GET", at, nil)
		return
	case creates && subresource != "":
		if example = m.examples[r.Name+"/"+group.Version]; example == nil {
			m.note(group, r.Name, "CREATE", "not tried: there is no example", "")
		} else {
			both("CREATE", "POST", at, example)
		}
	}
	if updates {
		both("UPDATE", "PUT", at, nil)
	}
	if deletes {
		both("DELETE", "DELETE", at, nil)
	}
}

// existing finds an object that is there, or makes one, and returns its path; done takes away what was made.
func (m *matrix) existing(collection, plural string, group schema.GroupVersion, r metav1.APIResource) (path string, done func()) {
	admin, ctx := m.world.client.RESTClient(), m.t.Context()
	text, err := admin.Get().AbsPath(collection).DoRaw(ctx)
	var list unstructured.UnstructuredList
	if err == nil && json.Unmarshal(text, &list) == nil {
		for _, name := range []string{"matrix", work, ""} { // of Pods and Namespaces those of the drills
			for _, item := range list.Items {
				if item.GetName() == name || name == "" && item.GetDeletionTimestamp() == nil && !strings.HasPrefix(item.GetName(), "system-") {
					return collection + "/" + item.GetName(), func() {}
				}
			}
		}
	}
	example := m.examples[strings.TrimSuffix(plural+"."+group.Group, ".")+"/"+group.Version]
	if example == nil {
		return "", func() {}
	}
	kind := r.Kind
	if strings.Contains(r.Name, "/") && !strings.HasSuffix(r.Name, "/status") {
		kind = "" // that of what is asked of the object
	}
	body, _ := json.Marshal(typed(example, group, kind))
	text, err = admin.Post().AbsPath(collection).SetHeader("Content-Type", "application/json").Body(body).DoRaw(ctx)
	var made unstructured.Unstructured
	if err != nil || json.Unmarshal(text, &made.Object) != nil {
		m.t.Logf("an example of %s is not made: %v", r.Name, err)
		return "", func() {}
	}
	path = collection + "/" + made.GetName()
	return path, func() {
		ctx := context.WithoutCancel(ctx)
		_, _ = admin.Patch("application/merge-patch+json").AbsPath(path).Body([]byte(`{"metadata":{"finalizers":null}}`)).DoRaw(ctx)
		_, _ = admin.Delete().AbsPath(path).Param("gracePeriodSeconds", "0").Param("propagationPolicy", "Background").DoRaw(ctx)
	}
}

// typed says of which kind an example is, where it is known; the path says it, too.
func typed(example map[string]any, group schema.GroupVersion, kind string) map[string]any {
	out := maps.Clone(example)
	if kind != "" {
		out["apiVersion"], out["kind"] = group.String(), kind
	}
	return out
}

func (m *matrix) read(path string) (out map[string]any) {
	text, err := m.world.client.RESTClient().Get().AbsPath(path).DoRaw(m.t.Context())
	if err == nil {
		_ = json.Unmarshal(text, &out)
	}
	return out
}

// try does one thing as a dry run, and says whether the user's policy was asked.
func (m *matrix) try(user, operation, verb, path string, body map[string]any) string {
	client := m.users[0]
	if user == "star" {
		client = m.users[1]
	}
	if verb == "PUT" { // what is there, as it is
		if body = m.read(path); body == nil {
			body = m.read(path[:strings.LastIndex(path, "/")])
		}
	}
	request := client.Verb(verb).AbsPath(path).Param("dryRun", "All")
	if operation == "CONNECT" {
		request = client.Verb(verb).AbsPath(path).Param("command", "true").Param("ports", "80")
	}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err.Error()
		}
		request = request.SetHeader("Content-Type", "application/json").Body(text)
	}
	err := request.Do(m.t.Context()).Error()
	switch {
	case err != nil && strings.Contains(err.Error(), user+": asked"):
		return asked
	case apierrors.IsConflict(err) && verb == "PUT": // a controller has changed it meanwhile
		return m.try(user, operation, verb, path, nil)
	case err == nil, apierrors.IsAlreadyExists(err), apierrors.IsConflict(err), operation == "CONNECT":
		return spared
	}
	m.t.Logf("%s %s: %v", verb, path, err)
	return "not tried: " + string(apierrors.ReasonForError(err))
}

// asPlanned compares what was seen with what the registration was worked out to do. There are two differences: the API server asks no
// webhook about what admission is configured by, and to a policy "*" includes the subresources by which containers change.
func (m *matrix) asPlanned() {
	text, err := os.ReadFile("../../webhook/registration/testdata/matrix.txt")
	if err != nil {
		m.t.Fatal(err)
	}
	spaces := regexp.MustCompile(` +`)
	planned := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := spaces.Split(strings.TrimSpace(line), -1); len(fields) == 4 {
			planned[fields[0]+" "+fields[1]] = fields[2] + " " + fields[3]
		}
	}
	for _, line := range m.lines {
		fields := spaces.Split(line, -1)
		if len(fields) != 4 {
			continue
		}
		if strings.HasSuffix(fields[0], ".admissionregistration.k8s.io") || fields[0] == "pods/ephemeralcontainers" || fields[0] == "pods/resize" {
			continue
		}
		if want := planned[fields[0]+" "+fields[1]]; want != "" && want != fields[2]+" "+fields[3] {
			m.t.Errorf("%s %s: seen %s %s, planned %s", fields[0], fields[1], fields[2], fields[3], want)
		}
	}
}
