package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// matching spells a Config with one entry.
func matching(entry string) string {
	return "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\nspec:\n  match:\n  - " + entry + "\n"
}

// excluded reports whether webhook, mutation-webhook and audit leave an object alone, which is in the namespace shop with these labels; nil
// is not known.
func excluded(s *Settings, target review.Target, object string, known labels.Set) string {
	var out []string
	namespace := func() (policies.Namespace, error) {
		if known == nil {
			return policies.Namespace{}, errors.New("not known")
		}
		return policies.Namespace{Labels: known}, nil
	}
	req := &review.Request{Target: target, Object: review.Raw(object)}
	old := &review.Request{Target: target, OldObject: review.Raw(object)}
	for process, spares := range map[Process]func(*review.Request) bool{
		Mutation: func(req *review.Request) bool { return s.SparesMutation(req, namespace) },
		Webhook:  func(req *review.Request) bool { return s.Spares(req, namespace) },
	} {
		if spares(req) != spares(old) {
			return "a deletion is another matter"
		}
		if spares(req) {
			out = append(out, string(process))
		}
	}
	if audited := *req; s.Spares(audit(&audited), namespace) {
		out = append(out, string(Audit))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func audit(req *review.Request) *review.Request {
	req.Origin = review.FromAudit
	return req
}

// All that an entry says must hold, or else it would exclude more than it says.
func TestFinerExclusions(t *testing.T) {
	const deployment, pod, node = `{"apiVersion": "apps/v1", "kind": "Deployment"}`, `{"apiVersion": "v1", "kind": "Pod"}`, `{"apiVersion": "v1", "kind": "Node"}`
	const shop, dev = `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}`, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "dev"}}}`
	inShop := review.Target{Resource: "any", Namespace: "shop"}
	namespace := review.Target{Resource: "namespaces", Name: "shop", Namespace: "shop"}
	everywhere := review.Target{Resource: "nodes", Name: "one"}
	isDev, isProd := labels.Set{"env": "dev"}, labels.Set{"env": "prod"}
	const all = "audit mutation-webhook webhook"
	for _, c := range []struct {
		entry  string
		target review.Target
		object string
		labels labels.Set
		want   string
	}{
		{`{processes: ["*"], kinds: [Pod]}`, inShop, pod, nil, all},
		{`{processes: ["*"], kinds: [Pod]}`, inShop, deployment, nil, ""},
		{`{processes: [webhook], kinds: ["*"]}`, inShop, deployment, nil, "webhook"},
		{`{processes: [audit], kinds: [Pod]}`, inShop, pod, nil, "audit"},
		{`{processes: ["*"], apiGroups: [""]}`, inShop, pod, nil, all},
		{`{processes: ["*"], apiGroups: [""]}`, inShop, deployment, nil, ""},
		{`{processes: ["*"], apiGroups: [apps], apiVersions: [v1]}`, inShop, deployment, nil, all},
		{`{processes: ["*"], apiGroups: [apps], apiVersions: [v1beta1]}`, inShop, deployment, nil, ""},
		{`{processes: ["*"], apiVersions: [v1], kinds: [Pod, Deployment]}`, inShop, deployment, nil, all},
		{`{processes: ["*"], kinds: [Pod], excludedNamespaces: [sh*]}`, inShop, pod, nil, all},
		{`{processes: ["*"], kinds: [Pod], excludedNamespaces: [other]}`, inShop, pod, nil, ""},
		{`{processes: ["*"], kinds: [Pod], excludedNamespaces: [sh*]}`, inShop, deployment, nil, ""},
		{`{processes: ["*"], namespaceSelector: {matchLabels: {env: dev}}}`, inShop, pod, isDev, all},
		{`{processes: ["*"], namespaceSelector: {matchLabels: {env: dev}}}`, inShop, pod, isProd, ""},
		{`{processes: ["*"], namespaceSelector: {matchLabels: {env: dev}}}`, inShop, pod, nil, ""},
		{`{processes: ["*"], namespaceSelector: {matchLabels: {env: dev}}, kinds: [Node]}`, inShop, pod, isDev, ""},
		{`{processes: ["*"], namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [dev]}]}}`, inShop, pod, isProd, all},
		{`{processes: ["*"], namespaceSelector: {matchLabels: {env: dev}}}`, namespace, dev, isProd, all},
		{`{processes: ["*"], namespaceSelector: {matchLabels: {env: dev}}}`, namespace, shop, isDev, ""},
		{`{processes: ["*"], namespaceSelector: {}}`, everywhere, node, isDev, ""},
		{`{processes: ["*"], kinds: [Node]}`, everywhere, node, nil, all},
		{`{processes: ["*"], kinds: [Pod]}`, inShop, `{"apiVersion": "v1", "kind": 1}`, nil, ""},
		{`{processes: ["*"], kinds: ["*"]}`, inShop, ``, nil, ""},
		{`{processes: [sync], kinds: ["*"]}`, inShop, pod, nil, ""},
	} {
		if got := excluded(good(t, new(Reader), matching(c.entry)), c.target, c.object, c.labels); got != c.want {
			t.Errorf("%s of %s, labels %v: excluded from %q, want %q", c.entry, c.object, c.labels, got, c.want)
		}
	}
	if s := good(t, new(Reader), matching(`{processes: ["*"], kinds: [Pod], excludedNamespaces: [shop]}`)); s.Excludes(Sync, "shop") || s.Excludes(Webhook, "shop") {
		t.Error("the namespace as a whole is excluded")
	}
}

// What is not understood excludes nothing, and what does less than it says is told.
func TestWhatIsWrongWithFinerExclusions(t *testing.T) {
	for entry, want := range map[string]string{
		`{processes: ["*"], kinds: [Pod*]}`:                                                     `f.yaml:6: Config config: spec.match[0].kinds: "Pod*" is not a kind, as Pod, or * for all`,
		`{processes: ["*"], kinds: [""]}`:                                                       `f.yaml:6: Config config: spec.match[0].kinds: "" is not a kind, as Pod, or * for all`,
		`{processes: ["*"], apiVersions: [apps/v1]}`:                                            `f.yaml:6: Config config: spec.match[0].apiVersions: "apps/v1" is not a version, as v1, or * for all; its group stands under apiGroups`,
		`{processes: ["*"], apiGroups: ["*.example.com"]}`:                                      `f.yaml:6: Config config: spec.match[0].apiGroups: "*.example.com" is not the name of a group, or * for all`,
		`{processes: ["*"], namespaceSelectors: [{}]}`:                                          `f.yaml:6: Config config: "namespaceSelectors" is not known under spec.match[0]; correct the spelling, or leave it out`,
		`{processes: ["*"], namespaceSelector: {matchLabel: {}}}`:                               `f.yaml:6: Config config: "matchLabel" is not known under spec.match[0].namespaceSelector; correct the spelling, or leave it out`,
		`{processes: [audit], namespaceSelector: {matchExpressions: [{key: a, operator: Is}]}}`: `f.yaml:6: Config config: spec.match[0].namespaceSelector: "Is" is not a valid label selector operator`,
	} {
		s, faults := new(Reader).Read(documentsOf(t, matching(entry)))
		if got := fmt.Sprint(faults.Error()); got != want || s != nil {
			t.Errorf("%s\ngot  %s\nwant %s", entry, got, want)
		}
	}
	for entry, want := range map[string]string{
		`{processes: ["*"], kinds: [Pod]}`:     "f.yaml:6: Config config: spec.match[0] keeps nothing out of data.inventory: the process sync knows excludedNamespaces alone",
		`{kinds: [Pod]}`:                       `f.yaml:6: Config config: spec.match[0] names no processes and excludes nothing; write processes: ["*"] for all`,
		`{processes: [webhook], kinds: [Pod]}`: "",
		`{processes: ["*"]}`:                   "f.yaml:6: Config config: spec.match[0] names no excludedNamespaces and excludes nothing",
	} {
		if got := strings.Join(Notes(documentsOf(t, matching(entry))), "\n"); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", entry, got, want)
		}
	}
}
