package policies

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

func TestWhichSyncedKindsAreRead(t *testing.T) {
	const pods = `data.inventory.namespace[ns]["v1"].Pod[name]`
	for name, c := range map[string]struct{ rego, want string }{
		"nothing":                            {`input.review.object`, "nothing"},
		"constant":                           {pods, "v1/Pod"},
		"constant, without namespaces":       {`data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole[_].rules[_]`, "rbac.authorization.k8s.io/v1/ClusterRole"},
		"two":                                {pods + "\n" + `not data.inventory.cluster.v1.Node.a`, "v1/Node v1/Pod"},
		"any namespace by pattern":           {`startswith(ns, "kube-"); ` + pods, "v1/Pod"},
		"a namespace that is read":           {`data.inventory.namespace[data.inventory.cluster.v1.Namespace[_].metadata.name].v1.Pod`, "v1/Namespace v1/Pod"},
		"variable version":                   {`data.inventory.namespace[ns][version].Ingress[name]; re_match("^(extensions|networking.k8s.io)/", version)`, "*/Ingress"},
		"variable kind":                      {`kind := input.review.kind.kind; data.inventory.namespace[ns].v1[kind]`, "v1/*"},
		"constant in a variable":             {`kind := "Pod"; data.inventory.namespace[ns].v1[kind]`, "v1/*"},
		"kind by pattern":                    {`data.inventory.namespace[ns][version][kind]; re_match("^(Pod|Service)$", kind)`, "*/*"},
		"kind by glob":                       {`data.inventory.cluster[version][kind]; glob.match("*Role", [], kind)`, "*/*"},
		"kind of the object":                 {`data.inventory.cluster.v1[input.review.object.kind]`, "v1/*"},
		"variable scope":                     {`data.inventory[scope].v1.Pod`, "*/*"},
		"by the name of data's member":       {`data["inventory"]["cluster"]["v1"]["Node"]`, "v1/Node"},
		"a number in the kind's place":       {`data.inventory.cluster.v1[0]`, "v1/*"},
		"what there is":                      {`count(data.inventory.cluster.v1) == 0`, "v1/*"},
		"held in a variable":                 {`pod := ` + pods + `; pod.spec.hostNetwork`, "v1/Pod"},
		"all of it held in a variable":       {`inventory := data.inventory; inventory.cluster.v1.Node`, "*/*"},
		"some of it held in a variable":      {`cluster := data.inventory.cluster; cluster.v1.Node`, "*/*"},
		"passed to a function":               {`f(` + pods + `)`, "v1/Pod"},
		"all of it passed to a function":     {`f(data.inventory)`, "*/*"},
		"all of it passed to one built in":   {`walk(data.inventory, [path, value]); path == value`, "*/*"},
		"a namespace passed to a function":   {`f(data.inventory.namespace[input.review.namespace])`, "*/*"},
		"in a comprehension":                 {`count([x | x := ` + pods + `]) > 1`, "v1/Pod"},
		"in a comprehension of all":          {`count({k | data.inventory.cluster[_][k]}) > 1`, "*/*"},
		"negated":                            {`not data.inventory.cluster.v1.Namespace[input.review.namespace]`, "v1/Namespace"},
		"another in its place":               {`g with data.inventory as {"cluster": {}}`, "nothing"},
		"a part in its place":                {`g with data.inventory as data.inventory.cluster`, "*/*"},
		"one kind in the place of another":   {`g with data.inventory.cluster.v1.Node as data.inventory.cluster.v1.Namespace`, "v1/Namespace"},
		"read while another is in its place": {`count(` + pods + `) > 0 with data.inventory as {"cluster": {}}`, "v1/Pod"},
		"a lib":                              {`data.libs.lib.names.all[_]`, "v1/Service"},
		"a lib's, by what is read":           {`data.libs.lib.names.named(data.inventory.cluster.v1.Node[_].metadata.name)`, "v1/Node v1/Service"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := violationOf(t, "a", "package template\nviolation[{\"msg\": \"no\"}] {\n"+c.rego+"\n}\nf(x) { x }\ng { input.review }")
			if strings.Contains(c.rego, "data.libs") {
				spec.Modules = append(spec.Modules, ast.MustParseModuleWithOpts("package libs.lib.names\nall[x] { x := data.inventory.namespace[_].v1.Service[_] }\nnamed(x) { x }",
					ast.ParserOptions{RegoVersion: ast.RegoV0}))
			}
			policy, err := CompilePolicy(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range policy.synced {
				for _, name := range []*string{&k.groupVersion, &k.kind} {
					if *name == "" {
						*name = "*"
					}
				}
				got = append(got, k.groupVersion+"/"+k.kind)
			}
			slices.Sort(got)
			if len(got) == 0 {
				got = []string{"nothing"}
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("read is %s, want %s", text, c.want)
			}
			if policy.ReadsInventory() != (c.want != "nothing") {
				t.Errorf("ReadsInventory is %t", policy.ReadsInventory())
			}
		})
	}
}

// One kind that cannot be had takes the answer from those alone that may read it.
func TestALostKindIsNotEverybodys(t *testing.T) {
	looking := func(id, ref string) Spec {
		return violationOf(t, id, "package template\nviolation[{\"msg\": \"seen\"}] { "+ref+" }\nviolation[{\"msg\": \"none\"}] { input.review }")
	}
	set, store := withInventory(t,
		looking("node", `data.inventory.cluster.v1.Node.a`), looking("secret", `data.inventory.namespace[_].v1.Secret.a`),
		looking("any", `data.inventory.cluster[_][input.review.kind.kind]`), looking("roles", `data.inventory.cluster[version].Role`))
	as := func(kind string) inventory.Synced {
		gvk := schema.GroupVersionKind{Version: "v1", Kind: kind}
		return inventory.Synced{GroupVersionKind: gvk, Of: inventory.SyncedKind(gvk)}
	}
	store.Sync([]inventory.Synced{as("Node"), as("Secret")}, nil)
	store.Replace("v1/Node", inventory.List{Fields: everything(), At: time.Now()})
	store.Lose("v1/Secret", errors.New("not allowed"))
	const cannot = " (deny): the policy could not be evaluated: nothing is known of v1/Secret: not allowed; " +
		"this is no judgement of the object: ask whoever looks after the constraint "
	const want = "deny [any" + cannot + "any; node (deny): none; roles (deny): none; secret" + cannot + "secret]"
	if got := verdict(t, set, reviewOf(t, "web", "a.example.com")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	lacking := map[string]string{}
	for _, p := range set.Policies() {
		lacking[p.Spec().ID] = strings.Join(p.Lacking(store.Snapshot(), time.Now()), "\n")
		if p.Lacking(nil, time.Now()) != nil {
			t.Error("without an inventory something is lacking")
		}
	}
	const without = "without v1/Secret nothing can be judged: not allowed"
	for id, want := range map[string]string{"node": "", "roles": "", "any": without, "secret": without} {
		if lacking[id] != want {
			t.Errorf("%s: %q, want %q", id, lacking[id], want)
		}
	}
}
