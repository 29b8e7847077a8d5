package library

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	standards "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	engine "github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
)

// checks are Kubernetes' own checks of the Pod Security Standards, by the rule that stands for them: at each level, and at restricted from
// which minor version on another check has come in the place of a baseline one.
var checks = []struct {
	rule                 string
	baseline, restricted standards.CheckID
	since                int
}{
	{rule: "pods.apparmor", baseline: "appArmorProfile", restricted: "appArmorProfile"},
	{rule: "pods.capabilities_baseline", baseline: "capabilities_baseline"},
	{rule: "pods.capabilities_restricted", restricted: "capabilities_restricted", since: 22},
	{rule: "pods.host_namespaces", baseline: "hostNamespaces", restricted: "hostNamespaces"},
	{rule: "pods.host_path", baseline: "hostPathVolumes"},
	{rule: "pods.host_ports", baseline: "hostPorts", restricted: "hostPorts"},
	{rule: "pods.host_probes", baseline: "hostProbesAndHostLifecycle", restricted: "hostProbesAndHostLifecycle"},
	{rule: "pods.privilege_escalation", restricted: "allowPrivilegeEscalation"},
	{rule: "pods.privileged", baseline: "privileged", restricted: "privileged"},
	{rule: "pods.proc_mount", baseline: "procMount"},
	{rule: "pods.proc_mount_restricted", restricted: "procMount_restricted", since: 35},
	{rule: "pods.run_as_non_root", restricted: "runAsNonRoot"},
	{rule: "pods.run_as_user", restricted: "runAsUser"},
	{rule: "pods.seccomp_baseline", baseline: "seccompProfile_baseline"},
	{rule: "pods.seccomp_restricted", restricted: "seccompProfile_restricted", since: 19},
	{rule: "pods.selinux", baseline: "seLinuxOptions", restricted: "seLinuxOptions"},
	{rule: "pods.sysctls", baseline: "sysctls", restricted: "sysctls"},
	{rule: "pods.volume_types", restricted: "restrictedVolumes"},
	{rule: "pods.windows_host_process", baseline: "windowsHostProcess", restricted: "windowsHostProcess"},
}

// replaced are the baseline checks in whose place a rule of the restricted level stands before it differs from them.
var replaced = map[standards.CheckID]standards.CheckID{
	"capabilities_restricted": "capabilities_baseline", "procMount_restricted": "procMount", "seccompProfile_restricted": "seccompProfile_baseline",
}

// newest is the newest version that is asked for. It is newer than any that is known.
const newest = 39

// versions are all that are asked for, the last as "latest".
func versions() (out []api.Version) {
	for minor := range newest {
		out = append(out, api.MajorMinorVersion(1, minor))
	}
	return append(out, api.LatestVersion())
}

// oracle is Kubernetes' own evaluation.
type oracle struct {
	standards.Evaluator
	ids map[api.LevelVersion][]standards.CheckID // in the order of the evaluation's results
}

func newOracle(t testing.TB) oracle {
	t.Helper()
	evaluator, err := standards.NewEvaluator(standards.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := oracle{evaluator, map[api.LevelVersion][]standards.CheckID{}}
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		for _, version := range versions() {
			lv := api.LevelVersion{Level: level, Version: version}
			o.ids[lv] = idsOf(lv)
		}
	}
	return o
}

// idsOf lists the checks of a level and version: those of baseline first, each by name, without those that others override.
func idsOf(lv api.LevelVersion) []standards.CheckID {
	var out [2][]standards.CheckID
	var overridden []standards.CheckID
	for _, check := range standards.DefaultChecks() {
		if check.Level == api.LevelRestricted && lv.Level == api.LevelBaseline {
			continue
		}
		var active *standards.VersionedCheck
		for i := range check.Versions {
			if !lv.Older(check.Versions[i].MinimumVersion) {
				active = &check.Versions[i]
			}
		}
		switch {
		case active == nil:
		case check.Level == api.LevelBaseline:
			out[0] = append(out[0], check.ID)
		default:
			out[1] = append(out[1], check.ID)
			overridden = append(overridden, active.OverrideCheckIDs...)
		}
	}
	for _, ids := range out {
		slices.Sort(ids)
	}
	return append(slices.DeleteFunc(out[0], func(id standards.CheckID) bool { return slices.Contains(overridden, id) }), out[1]...)
}

// refusals are the details by which checks refuse a Pod.
func (o oracle) refusals(t testing.TB, lv api.LevelVersion, pod *corev1.Pod) map[standards.CheckID]string {
	t.Helper()
	results := o.EvaluatePod(lv, &pod.ObjectMeta, &pod.Spec)
	ids := o.ids[lv]
	if len(results) != len(ids) {
		t.Fatalf("%s has %d checks, and not %v", lv.String(), len(results), ids)
	}
	out := map[standards.CheckID]string{}
	for i, result := range results {
		if !result.Allowed {
			out[ids[i]] = result.ForbiddenDetail
		}
	}
	return out
}

// judges are the rules of the Pod Security Standards in force, a Set for each version.
type judges struct {
	oracle oracle
	sets   map[api.Version]*engine.Set
	custom map[api.Version]*engine.Set // which know where widgets have their Pod template
	all    rego.PreparedEvalQuery      // what all rules find, in one query: a Set takes three times as long
}

func newJudges(t testing.TB) judges {
	t.Helper()
	var names []string
	for _, check := range checks {
		names = append(names, check.rule)
	}
	specs, faults := reader(t).Use(names...)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	j := judges{newOracle(t), map[api.Version]*engine.Set{}, map[api.Version]*engine.Set{}, allAtOnce(t)}
	var compiled []*engine.Policy
	for _, spec := range specs {
		spec.Code = spec.ID
		one, err := engine.CompilePolicy(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, one)
	}
	for _, version := range versions() {
		j.sets[version] = with(t, compiled, version, nil)
		j.custom[version] = with(t, compiled, version, map[string]string{"widgets.example.com": "spec.worker.pod"})
	}
	return j
}

// allAtOnce is the query for what all rules find, by their names.
func allAtOnce(t testing.TB) rego.PreparedEvalQuery {
	t.Helper()
	parsed := modules(t)
	opts := append(helpers(t), rego.Query("x := data.all"), rego.Capabilities(language.Capabilities()))
	text := "package all\n"
	for _, check := range checks {
		text += fmt.Sprintf("%s := data.portcullis.library.%s.deny\n", strings.TrimPrefix(check.rule, "pods."), check.rule)
		opts = append(opts, rego.ParsedModule(parsed[File(check.rule)]))
	}
	query, err := rego.New(append(opts, rego.Module("all.rego", text))...).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return query
}

// findings are what the rules find at a version: by a Set, as a server has it, or by one query.
func (j judges) findings(t testing.TB, in map[string]any, version api.Version, w wrapping, bySet bool) (out []review.Finding, err error) {
	t.Helper()
	if bySet {
		set := j.sets[version]
		if w.group == "example.com" {
			set = j.custom[version]
		}
		decision, err := set.Review(t.Context(), w.request(t, in))
		return decision.Findings, err
	}
	input, err := ast.InterfaceToValue(map[string]any{
		"request": w.question(in),
		"parameters": map[string]any{
			"version": version.String(), "podTemplates": map[string]any{"widgets.example.com": "spec.worker.pod"}, "exemptImages": []any{}, "allowedPaths": []any{},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	results, err := j.all.Eval(t.Context(), rego.EvalParsedInput(input), rego.EvalRuleIndexing(false))
	if err != nil {
		return nil, err
	}
	for rule, found := range results[0].Bindings["x"].(map[string]any) {
		for _, one := range found.([]any) {
			said := one.(map[string]any)
			out = append(out, review.Finding{Policy: "pods." + rule, Message: said["message"].(string), Field: said["field"].(string)})
		}
	}
	return out, nil
}

// with are policies with other parameters.
func with(t testing.TB, compiled []*engine.Policy, version api.Version, templates map[string]string) *engine.Set {
	t.Helper()
	var out []*engine.Policy
	for _, one := range compiled {
		spec := one.Spec()
		spec.Compiled = one
		parameters := ast.NewObject()
		spec.Parameters.(ast.Object).Foreach(parameters.Insert)
		parameters.Insert(ast.StringTerm("version"), ast.StringTerm(version.String()))
		if templates != nil {
			spec.Shared = nil // as the reader has it for these parameters
			spec.Match.Resources = append(slices.Clone(spec.Match.Resources), engine.Resource{Group: "example.com", Resource: "widgets"})
			parameters.Insert(ast.StringTerm("podTemplates"), ast.NewTerm(ast.MustInterfaceToValue(templates)))
		}
		spec.Parameters = parameters
		policy, err := engine.CompilePolicy(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, policy)
	}
	return engine.NewSet(out)
}

// wrapping is a kind that has a Pod, and where.
type wrapping struct{ group, version, kind, resource, subresource, path string }

var wrappings = []wrapping{
	{"", "v1", "Pod", "pods", "", ""},
	{"", "v1", "Pod", "pods", "ephemeralcontainers", ""},
	{"", "v1", "Pod", "pods", "resize", ""},
	{"", "v1", "PodTemplate", "podtemplates", "", "template"},
	{"", "v1", "ReplicationController", "replicationcontrollers", "", "spec.template"},
	{"apps", "v1", "DaemonSet", "daemonsets", "", "spec.template"},
	{"apps", "v1", "Deployment", "deployments", "", "spec.template"},
	{"apps", "v1", "ReplicaSet", "replicasets", "", "spec.template"},
	{"apps", "v1", "StatefulSet", "statefulsets", "", "spec.template"},
	{"batch", "v1", "CronJob", "cronjobs", "", "spec.jobTemplate.spec.template"},
	{"batch", "v1", "Job", "jobs", "", "spec.template"},
	{"example.com", "v1", "Widget", "widgets", "", "spec.worker.pod"},
}

// question is what is asked about a Pod, or about what makes such Pods.
func (w wrapping) question(pod map[string]any) map[string]any {
	object := pod
	if w.path != "" {
		object = map[string]any{"metadata": pod["metadata"], "spec": pod["spec"]}
		for _, name := range slices.Backward(strings.Split(w.path, ".")) {
			object = map[string]any{name: object}
		}
		object["metadata"] = map[string]any{"name": "x"}
	}
	object = maps.Clone(object)
	object["apiVersion"], object["kind"] = strings.TrimPrefix(w.group+"/"+w.version, "/"), w.kind
	operation, old := "CREATE", any(nil)
	if w.subresource != "" {
		operation, old = "UPDATE", map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x"}, "spec": map[string]any{}}
	}
	return map[string]any{
		"uid": "u", "operation": operation, "name": "x", "namespace": "shop", "userInfo": map[string]any{"username": "jane"},
		"kind":     map[string]any{"group": w.group, "version": w.version, "kind": w.kind},
		"resource": map[string]any{"group": w.group, "version": w.version, "resource": w.resource}, "subResource": w.subresource,
		"object": object, "oldObject": old,
	}
}

func (w wrapping) request(t testing.TB, pod map[string]any) *review.Request {
	t.Helper()
	text, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": w.question(pod)})
	if err != nil {
		t.Fatal(err)
	}
	req, _, err := review.DialectValidate(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return req
}

// difference is how our judgement of a Pod at a version differs from Kubernetes' own, or "".
func (j judges) difference(t testing.TB, in map[string]any, version api.Version, w wrapping, bySet bool) string {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := json.Unmarshal(text, &pod); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	findings, err := j.findings(t, in, version, w, bySet)
	if err != nil {
		return err.Error()
	}
	found := map[string][]review.Finding{}
	for _, finding := range findings {
		if finding.Fault {
			return fmt.Sprintf("%s: %s: %s", finding.Policy, finding.Message, finding.Cause)
		}
		below, ok := strings.CutPrefix(finding.Field, strings.TrimPrefix(w.path+".", "."))
		if !ok {
			return fmt.Sprintf("%s: the field %s is not in %s", finding.Policy, finding.Field, w.path)
		}
		finding.Field = below
		found[finding.Policy] = append(found[finding.Policy], finding)
	}
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		want := j.oracle.refusals(t, api.LevelVersion{Level: level, Version: version}, &pod)
		for _, check := range checks {
			id := check.baseline
			if level == api.LevelRestricted {
				id = check.restricted
				if before := api.MajorMinorVersion(1, check.since); version.Older(before) {
					id = replaced[id]
				}
			}
			if id == "" {
				continue
			}
			detail, refused := want[id]
			ours := found[check.rule]
			switch {
			case refused != (len(ours) > 0):
				return fmt.Sprintf("%s:%s: %s says %q, and %s %v", level, version.String(), id, detail, check.rule, ours)
			case refused:
				if theirs, named := blamed(detail), names(in, ours); !slices.Equal(theirs, named) {
					return fmt.Sprintf("%s:%s: %s blames %v, as %q, and %s %v, as %v", level, version.String(), id, theirs, detail, check.rule, named, ours)
				}
			}
			delete(want, id)
		}
		for id := range want {
			return fmt.Sprintf("%s:%s: no rule stands for %s", level, version.String(), id)
		}
	}
	return ""
}

// words are those of Kubernetes' sentences that name nothing: fields, values that go without saying, and types of volumes.
var words = func() map[string]bool {
	out := map[string]bool{}
	for word := range strings.FieldsSeq(`container containers volume volumes annotation annotations must not set to include in and or may be use uses
		forbidden restricted type types profile AppArmor Localhost RuntimeDefault ALL true false 0 hostPort hostPorts probe lifecycle host hosts unknown
		runAsUser runAsNonRoot securityContext.runAsNonRoot securityContext.privileged securityContext.allowPrivilegeEscalation
		securityContext.capabilities.add securityContext.capabilities.drop securityContext.procMount securityContext.seccompProfile.type
		securityContext.seLinuxOptions securityContext.windowsOptions.hostProcess`) {
		out[word] = true
	}
	for name := range volumeSources() {
		out[name] = true
	}
	return out
}()

var named = regexp.MustCompile(`[^\s"',;:=\[\]()]+`)

// blamed lists what a sentence of Kubernetes' names: the Pod, containers, volumes, and the values that are wrong.
func blamed(detail string) (out []string) {
	for _, word := range named.FindAllString(strings.TrimPrefix(detail, "pod or "), -1) {
		if !words[word] {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// names lists the same for findings, by where in the Pod they are. Kubernetes does not speak of what is missing while something is wrong.
func names(pod map[string]any, findings []review.Finding) []string {
	var wrong, missing []string
	for _, finding := range findings {
		steps := segments(finding.Field)
		value, holder := at(pod, steps), at(pod, steps[:len(steps)-1])
		var said []string
		last := steps[len(steps)-1]
		switch inside := steps[1]; {
		case strings.HasSuffix(inside, "ontainers"), inside == "volumes":
			of, _ := at(pod, steps[:3]).(map[string]any)
			name, _ := of["name"].(string)
			said = append(said, name)
		case inside == "annotations":
			said = append(said, last)
		case strings.HasPrefix(inside, "host"):
			said = append(said, inside)
		case len(steps) > 2 && steps[2] != "sysctls":
			said = append(said, "pod")
		}
		switch {
		case last == "user", last == "role":
			said = append(said, last)
		case value != nil && reflect.TypeOf(value).Kind() != reflect.Map && reflect.TypeOf(value).Kind() != reflect.Slice:
			said = append(said, fmt.Sprint(value))
		}
		if last == "runAsNonRoot" && value == nil || slices.Contains(steps, "seccompProfile") && holder == nil {
			missing = append(missing, said...)
		} else {
			wrong = append(wrong, said...)
		}
	}
	if len(wrong) == 0 {
		wrong = missing
	}
	return blamed(strings.Join(wrong, " "))
}

var indexed = regexp.MustCompile(`^(.*)\[([0-9]+)\]$`)

// segments are the steps of a field's path.
func segments(field string) (out []string) {
	field, key, _ := strings.Cut(field, "annotations[")
	for part := range strings.SplitSeq(strings.TrimSuffix(field, "."), ".") {
		if m := indexed.FindStringSubmatch(part); m != nil {
			out = append(out, m[1], m[2])
		} else {
			out = append(out, part)
		}
	}
	if key != "" {
		out = append(out, "annotations", strings.TrimSuffix(key, "]"))
	}
	return out
}

// at is what is at the end of steps.
func at(value any, steps []string) any {
	for _, step := range steps {
		switch in := value.(type) {
		case map[string]any:
			value = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return nil
			}
			value = in[i]
		default:
			return nil
		}
	}
	return value
}

// The fixtures by which Kubernetes tests its own checks are judged as they say, alone and in everything that makes such Pods.
func TestPodSecurityFixtures(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	j := newJudges(t)
	judged := 0
	root := filepath.Join(strings.TrimSpace(string(dir)), "test", "testdata")
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yaml" {
			return err
		}
		parts := strings.Split(name, "/") // restricted/v1.25/fail/runasuser0.yaml
		version, err := api.ParseVersion(parts[1])
		if err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		var pod map[string]any
		if err == nil {
			err = yaml.Unmarshal(text, &pod)
		}
		if err != nil {
			return err
		}
		level := api.Level(parts[0])
		var typed corev1.Pod
		if err := yaml.Unmarshal(text, &typed); err != nil {
			return err
		}
		for i, volume := range typed.Spec.Volumes {
			if volume.VolumeSource == (corev1.VolumeSource{}) { // the API server makes it one
				typed.Spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
				at(pod, []string{"spec", "volumes", strconv.Itoa(i)}).(map[string]any)["emptyDir"] = map[string]any{}
			}
		}
		if refused := len(j.oracle.refusals(t, api.LevelVersion{Level: level, Version: version}, &typed)) > 0; refused != (parts[2] == "fail") {
			t.Errorf("%s: Kubernetes refuses it: %v", name, refused)
		}
		for _, w := range []wrapping{wrappings[0], wrappings[judged%len(wrappings)]} {
			if wrong := j.difference(t, pod, version, w, true); wrong != "" {
				t.Errorf("%s, %s: %s", name, w.resource, wrong)
			}
		}
		judged++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if judged < 4000 {
		t.Errorf("only %d fixtures", judged)
	}
}

// Pods that are made up are judged as Kubernetes does, at every version. PODS in the environment is how many there are, 100,000 in test/all.sh, and
// SEED where they begin.
func TestPodsAreJudgedAsByKubernetes(t *testing.T) {
	count, seed := number(t, "PODS", 1000), number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d PODS=%d", seed, count)
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // little is kept, and collecting it would take half of the time
	j := newJudges(t)
	var next atomic.Uint64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !failed.Load() {
				i := next.Add(1) - 1
				if i >= count {
					return
				}
				if wrong := j.fuzz(t, seed+i); wrong != "" {
					failed.Store(true)
					t.Errorf("SEED=%d PODS=1 go test -run %s ./policies/library\n%s", seed+i, t.Name(), wrong)
				}
			}
		})
	}
	workers.Wait()
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func FuzzPodSecurity(f *testing.F) {
	j := newJudges(f)
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		if wrong := j.fuzz(t, seed); wrong != "" {
			t.Error(wrong)
		}
	})
}

// fuzz judges the Pod that a seed makes, and shows the smallest like it that is judged differently.
func (j judges) fuzz(t testing.TB, seed uint64) string {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, seed))
	version := versions()[r.IntN(newest+1)]
	w := wrappings[0]
	if n := r.IntN(3 * len(wrappings)); n < len(wrappings) {
		w = wrappings[n]
	}
	bySet := r.IntN(20) == 0
	pod := maker{r}.pod()
	if j.difference(t, pod, version, w, bySet) == "" {
		return ""
	}
	shrink(pod, func() bool { return j.difference(t, pod, version, w, bySet) != "" })
	var shown bytes.Buffer
	encoder := json.NewEncoder(&shown)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(pod); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\nas %s: %s", j.difference(t, pod, version, w, bySet), w.resource, shown.String())
}

// shrink takes away of a value whatever is not needed for it to fail.
func shrink(value any, fails func() bool) {
	switch in := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(in)) {
			kept := in[name]
			if delete(in, name); fails() {
				continue
			}
			in[name] = kept
			if list, ok := kept.([]any); ok {
				for i := range slices.Backward(list) {
					before := in[name].([]any)
					if in[name] = slices.Delete(slices.Clone(before), i, i+1); !fails() {
						in[name] = before
					}
				}
			}
			shrink(in[name], fails)
		}
	case []any:
		for _, element := range in {
			shrink(element, fails)
		}
	}
}
