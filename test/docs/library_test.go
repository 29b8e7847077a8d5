package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/native"
)

func TestMain(m *testing.M) {
	language.Register() // as portcullis does when it starts
	m.Run()
}

const libraryPages = "docs/library"

// The pages of the library say what its METADATA say and what comes of its fixtures, in the words of the program. With UPDATE=1 in the
// environment they are written anew.
func TestLibraryPages(t *testing.T) {
	pages := pagesOfTheLibrary(t)
	dir := filepath.Join(root(t), libraryPages)
	if os.Getenv("UPDATE") != "" {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s/%s is not what the library says; UPDATE=1 go test ./test/docs -run TestLibraryPages writes it: %v", libraryPages, name, err)
		}
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if _, ok := pages[file.Name()]; !ok {
			t.Errorf("%s/%s is about no topic of the library; UPDATE=1 go test ./test/docs -run TestLibraryPages removes it", libraryPages, file.Name())
		}
	}
}

func pagesOfTheLibrary(t *testing.T) map[string]string {
	t.Helper()
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for _, name := range reader.Names() {
		d, err := reader.Describe(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, newEntry(t, d))
	}
	pages := map[string]string{"README.md": indexPage(all, reader.Bundles()), "helpers.md": helpersPage(reader.Helpers())}
	for _, topic := range topics(all) {
		pages[topic+".md"] = topicPage(topic, inTopic(all, topic))
	}
	return pages
}

// clocked is what is said at some hours only, and tells the time. A page cannot have it word for word.
var clocked = regexp.MustCompile(`(?m)^ .*; it is [A-Z][a-z]+day \d\d:\d\d\n`)

// newEntry has the program judge the policy's fixtures by the Policy of its page, and holds it to them.
func newEntry(t *testing.T, d native.Description) entry {
	t.Helper()
	policy, err := d.Policy("")
	if err != nil {
		t.Errorf("%s: %v", d.Name, err)
	}
	dir := t.TempDir()
	e := entry{Description: d, policy: string(policy)}
	for name, into := range map[string]*string{"allow.yaml": &e.allow, "deny.yaml": &e.deny} {
		fixture, err := os.ReadFile(filepath.Join(root(t), "policies", "library", strings.ReplaceAll(d.Name, ".", "/"), name))
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		*into = string(fixture)
		for name, text := range map[string][]byte{name: fixture, "policy.yaml": policy} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
		var stdout, stderr bytes.Buffer
		code := cmd.Run(t.Context(), []string{"review", "-f", filepath.Join(dir, name), "--policies", filepath.Join(dir, "policy.yaml")},
			strings.NewReader(""), &stdout, &stderr)
		want := 0
		if name == "deny.yaml" && d.Refuses() && !e.changes() && d.Enforcement == "deny" {
			want = 2
		}
		if code != want && (code != 2 || d.Refuses() && !e.changes()) {
			t.Errorf("%s: review -f %s ends with exit code %d, want %d\n%s%s", d.Name, name, code, want, &stdout, &stderr)
		}
		if strings.Contains(stdout.String(), "could not be evaluated") {
			t.Errorf("%s: review -f %s lacks what the policy reads, as a Namespace\n%s", d.Name, name, &stdout)
		}
		if (name == "allow.yaml") == e.positive() {
			e.reviewed = clocked.ReplaceAllString(strings.ReplaceAll(stdout.String(), dir+string(filepath.Separator), ""), "")
		}
	}
	return e
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inLine = regexp.MustCompile("(`+)[^`]+(`+)")
)

// Whoever follows a link finds what it names.
func TestLibraryLinks(t *testing.T) {
	dir := filepath.Join(root(t), libraryPages)
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	files = append(files, filepath.Join(root(t), "README.md"), filepath.Join(root(t), "docs", "policies.md"))
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(inLine.ReplaceAllString(fences.ReplaceAllString(string(page), ""), "x"), -1) {
			name, at, _ := strings.Cut(found[1], "#")
			if strings.HasPrefix(name, "https://") || filepath.Dir(file) != dir && !strings.Contains(name, "library") {
				continue
			}
			target := file
			if name != "" {
				target = filepath.Join(filepath.Dir(file), name)
			}
			text, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil || at != "" && !slices.Contains(anchors(string(text)), at) {
				t.Errorf("%s links to %s, which is not there: %v", file, found[1], err)
			}
		}
	}
}

var (
	fences   = regexp.MustCompile("(?ms)^(```+)\\w*\n.*?^```+$")
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	linked   = regexp.MustCompile(`\[(.*?)\]\([^)]*\)`)
)

// anchors are those of the headings of a page. One that is there twice would be found at the first.
func anchors(page string) (out []string) {
	for _, heading := range headings.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		out = append(out, anchor(linked.ReplaceAllString(heading[1], "$1")))
	}
	return out
}

var readyPolicy = regexp.MustCompile("(?ms)^A Policy that puts it in force.*?:\n\n```yaml\n(.*?)^```$")

// Every Policy that a reader can copy is one that a server puts in force and an API server with our CustomResourceDefinition stores as it is.
func TestThePoliciesOfTheLibraryPages(t *testing.T) {
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root(t), libraryPages, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	crd := definition(t)
	var specs []policies.Spec
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range readyPolicy.FindAllStringSubmatch(string(page), -1) {
			read, faults := reader.Read([]native.File{{Name: filepath.Base(file), Text: []byte(found[1]), Format: native.YAMLText}})
			if len(faults) > 0 || len(read) != 1 {
				t.Errorf("%d policies: %v\n%s", len(read), faults, found[1])
				continue
			}
			specs = append(specs, read...)
			crd.takes(t, found[1])
		}
	}
	if len(specs) != len(reader.Names()) {
		t.Errorf("the pages have %d Policies for %d policies", len(specs), len(reader.Names()))
	}
	if _, err := policies.Compile(t.Context(), specs); err != nil {
		t.Error(err)
	}
}

// crd is the CustomResourceDefinition of Policy, as an API server holds objects to it.
type crd struct {
	schema     validation.SchemaCreateValidator
	structural *structuralschema.Structural
	rules      *cel.Validator
}

func definition(t *testing.T) crd {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "charts/portcullis/files/crds/portcullis.dev_policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var v1 apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &v1); err != nil {
		t.Fatal(err)
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v1.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	var out crd
	if out.schema, _, err = validation.NewSchemaValidator(&internal); err != nil {
		t.Fatal(err)
	}
	if out.structural, err = structuralschema.NewStructural(&internal); err != nil {
		t.Fatal(err)
	}
	out.rules = cel.NewValidator(out.structural, true, celconfig.PerCallLimit)
	return out
}

func (c crd) takes(t *testing.T, text string) {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Error(err)
		return
	}
	wrong := validation.ValidateCustomResource(nil, object, c.schema)
	byRules, _ := c.rules.Validate(t.Context(), field.NewPath(""), c.structural, object, nil, celconfig.RuntimeCELCostBudget)
	for _, err := range append(wrong, byRules...) {
		t.Errorf("%v\n%s", err, text)
	}
	if lost := pruning.PruneWithOptions(object, c.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}); len(lost) > 0 {
		t.Errorf("the definition has no %v\n%s", lost, text)
	}
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	for _, why := range utilvalidation.IsDNS1123Subdomain(name) {
		t.Errorf("%q cannot be an object's name: %s", name, why)
	}
}

// What METADATA say is read on the page as it was written, whatever it means in Markdown.
func TestMarkdownIsEscaped(t *testing.T) {
	for plain, want := range map[string]string{
		"kube-* and *-a | <b> [x](y) `z`": "kube-\\* and \\*-a \\| \\<b\\> \\[x\\](y) \\`z\\`",
		"a_b _c_ no_latest_tag \\":        "a_b \\_c\\_ no_latest_tag \\\\",
		"two\n  lines, $1 & #2":           "two lines, \\$1 \\& #2",
	} {
		if got := text(plain); got != want {
			t.Errorf("%s is written %s, want %s", plain, got, want)
		}
	}
	for plain, want := range map[string]string{"^(a|b)$": "`^(a\\|b)$`", "a`b``c": "``` a`b``c ```"} {
		if got := code(plain); got != want {
			t.Errorf("%s is written %s, want %s", plain, got, want)
		}
	}
	if got := quoted("yaml", "a: |\n  ```\n"); got != "````yaml\na: |\n  ```\n````\n" {
		t.Error(got)
	}
	for heading, want := range map[string]string{"images.no_latest_tag": "imagesno_latest_tag", "CIS Kubernetes Benchmark 1.9": "cis-kubernetes-benchmark-19", "pss-baseline": "pss-baseline"} {
		if got := anchor(heading); got != want {
			t.Errorf("the heading %s is at #%s, want #%s", heading, got, want)
		}
	}
}
