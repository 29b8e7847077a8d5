package native

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// versioned is a policy of a library that depends on the version of Kubernetes.
func versioned(name string) File {
	return File{Name: name + ".rego", Text: fmt.Appendf(nil, `# METADATA
# title: Of a version
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods]}
#     parameters:
#       type: object
#       properties:
#         version: {type: string, default: latest}
package portcullis.library.pods.%s

deny contains input.parameters.version
`, name)}
}

func readerWithBundles(t testing.TB) *Reader {
	t.Helper()
	plain := strings.ReplaceAll(libraryRule, "#       required: [names]\n", "")
	r, err := NewReader([]File{
		{Name: "kubernetes.rego", Text: []byte(helper)},
		{Name: "replicas.rego", Text: []byte(plain)},
		versioned("new"), versioned("other"),
		{Name: "library/bundles/level.yaml", Text: []byte("title: A level\npolicies: [pods.new, pods.other]\n")},
		{Name: "library/bundles/good.yaml", Text: []byte("title: Good\npolicies: [deployments.replicas]\n")},
		{Name: "library/bundles/mixed.yaml", Text: []byte("title: Mixed\npolicies: [pods.other, deployments.replicas]\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestUse(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"pods.new", "pods.new latest"},
		{"pods.new@v1.20", "pods.new v1.20"},
		{"level", "pods.new latest, pods.other latest"},
		{"level@latest", "pods.new latest, pods.other latest"},
		{"level@v1.21", "pods.new v1.21, pods.other v1.21"},
		{"level mixed", "pods.new latest, pods.other latest, deployments.replicas"},
		{"level@latest mixed pods.other", "pods.new latest, pods.other latest, deployments.replicas"},
		{"mixed@v1.30", "pods.other v1.30, deployments.replicas"},
		{"level@v1.30 mixed@v1.30", "pods.new v1.30, pods.other v1.30, deployments.replicas"},
		{"level@v1.30 mixed", "pods.new v1.30, pods.other v1.30; level@v1.30 and mixed have the policy pods.other, for different versions; give both the same one"},
		{"level level", `pods.new latest, pods.other latest; the library's bundle "level" is named twice; name it once`},
		{"good@v1.30", "deployments.replicas; good@v1.30: nothing of it depends on the version of Kubernetes; leave @v1.30 out"},
		{"level@", `; level@: "" is no version of Kubernetes; write latest, or one as v1.30`},
		{"level@1.30", `; level@1.30: "1.30" is no version of Kubernetes; write latest, or one as v1.30`},
		{"level@v1.030", `; level@v1.030: "v1.030" is no version of Kubernetes; write latest, or one as v1.30`},
		{"lvel@v1.30", `; the library has no policy or bundle "lvel"; did you mean level?`},
		{"replica", `; the library has no policy or bundle "replica"; did you mean deployments.replicas?`},
		{"pods.nothing", `; the library has no policy or bundle "pods.nothing"; "portcullis policies list" names those it has`},
	} {
		specs, faults := readerWithBundles(t).Use(strings.Fields(c.names)...)
		var got []string
		for _, spec := range specs {
			one := spec.ID
			if strings.Contains(fmt.Sprint(spec.Parameters), "version") {
				one += " " + strings.Trim(strings.TrimPrefix(spec.Parameters.String(), `{"version": `), `"}`)
			}
			got = append(got, one)
		}
		said := strings.Join(got, ", ")
		if len(faults) > 0 {
			said += "; " + faults.Error()
		}
		if said != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.names, said, c.want)
		}
	}
}

// What is served must be told apart by its version.
// A version that there is not yet is judged as the newest, which whoever names it should know.
func TestAVersionThatIsNotYetKnownIsSaid(t *testing.T) {
	r := readerWithBundles(t)
	const what = "the library knows Kubernetes up to v1.37 and judges by that where v1.99 is named; write latest, or a version that there is"
	var got []string
	specs, faults := r.Use("level@v1.99", "deployments.replicas")
	for _, spec := range specs {
		got = append(got, spec.Notes...)
	}
	if len(faults) > 0 || !slices.Equal(got, []string{"library:level@v1.99: " + what}) {
		t.Errorf("%v %q", faults, got)
	}
	for version, want := range map[string]string{"v1.99": "p.yaml:6: Policy mine: parameters.version: " + what, "v1.37": "", "latest": ""} {
		specs, faults = r.Read([]File{{Name: "p.yaml", Text: []byte("apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: mine}\nspec:\n  use: pods.new\n" +
			"  parameters: {version: " + version + "}\n")}})
		if len(faults) > 0 || strings.Join(specs[0].Notes, "") != want {
			t.Errorf("%s: %v %q", version, faults, specs[0].Notes)
		}
	}
}

func TestTheVersionIsInTheDigest(t *testing.T) {
	var digests []string
	for _, name := range []string{"pods.new", "pods.new@v1.20", "pods.new@v1.21"} {
		specs, faults := readerWithBundles(t).Use(name)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if slices.Contains(digests, specs[0].Digest) {
			t.Errorf("%s has the digest of another version", name)
		}
		digests = append(digests, specs[0].Digest)
	}
}

func TestAPolicyUsesNoBundle(t *testing.T) {
	for use, want := range map[string]string{
		"level": `p.yaml:5: Policy mine: level is a bundle of the library, and a Policy uses one policy; ` +
			`"portcullis policies show level -o yaml" prints one for each in it`,
		`level@v1.30`: `p.yaml:5: Policy mine: level is a bundle of the library, and a Policy uses one policy; ` +
			`"portcullis policies show level@v1.30 -o yaml" prints one for each in it`,
		"pods.nwe": `p.yaml:5: Policy mine: there is no policy "pods.nwe", neither in the library nor beside it; did you mean pods.new?`,
	} {
		_, faults := readerWithBundles(t).Read([]File{{Name: "p.yaml", Text: []byte(policy("  use: " + use + "\n"))}})
		if faults.Error() != want {
			t.Errorf("%s:\n got %s\nwant %s", use, faults, want)
		}
	}
}

func TestBundlesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"policies: [pods.missing]\n":                 "the library: the bundle level names \"pods.missing\", which is not in the library",
		"policies: [pods.new]\nversioned: true\n":    "the library: level.yaml: yaml: unmarshal errors:\n  line 2: field versioned not found in type native.LibraryBundle",
		"policies: [kubernetes, portcullis.level]\n": "the library: the bundle level names \"kubernetes\", which is not in the library",
	} {
		if _, err := NewReader([]File{versioned("new"), {Name: "level.yaml", Text: []byte(text)}}); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}
