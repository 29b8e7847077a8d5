package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// inInventory reports whether a reference leads to data.kubernetes, or to a part of it.
func inInventory(ref ast.Ref) bool {
	return len(ref) > 1 && ref[0].Equal(ast.DefaultRootDocument) && ref[1].Equal(ast.InternedTerm(inventory.Root))
}

// undeclared returns why a reference to data.kubernetes reads what the policy may not, or nil. Packages below kubernetes, as policies
// written for OPA are in, are no part of the inventory.
func undeclared(compiler *ast.Compiler, spec Spec, ref ast.Ref) error {
	defined := func(ref ast.Ref) bool {
		return len(compiler.GetRulesForVirtualDocument(ref)) > 0 || len(compiler.GetRulesWithPrefix(ref)) > 0
	}
	var name ast.String
	if len(ref) > 2 {
		name, _ = ref[2].Value.(ast.String)
	}
	kind := inventory.Kind(name)
	declared := slices.Contains(spec.Data, kind)
	switch {
	case name == "" && len(spec.Data) == 0 && defined(ref.ConstantPrefix()):
		return nil
	case name == "":
		return fmt.Errorf("data.%s is read by kind: name the kind here, as in data.%[1]s[%q], and under data in the METADATA", inventory.Root, "pods")
	case declared && defined(ref[:3]):
		return fmt.Errorf("data.%s[%q] is both a package and a kind under data in the METADATA: give the package another name", inventory.Root, kind)
	case declared || defined(ref[:3]):
		return nil
	}
	for _, whole := range spec.Data {
		if strings.HasPrefix(string(whole), string(kind)+".") {
			return fmt.Errorf("data.%s.%s is not a kind: write data.%[1]s[%[3]q]", inventory.Root, kind, whole)
		}
	}
	return fmt.Errorf("data.%s[%q] is not declared: add %[2]q to data in the policy's METADATA", inventory.Root, kind)
}

// met returns why one of the kinds a policy reads cannot be relied on, or nil.
func (p *Policy) met(objects *inventory.Snapshot) error {
	switch {
	case objects == nil && p.ReadsInventory(): // where nothing is synced there is nothing, and that can be relied on
		return nil
	case objects == nil:
		return errNoInventory
	case p.ReadsInventory():
		return objects.CheckSynced(time.Now(), p.synced.reads)
	}
	now := time.Now()
	for _, kind := range p.spec.Data {
		if err := objects.Check(kind, p.needs[kind], now); err != nil {
			return err
		}
	}
	return nil
}

// errNoInventory is why a policy that declares data has no answer without a cluster.
var errNoInventory = errors.New("it reads objects of the cluster, and none are known here; " +
	"serve learns of them with --kubeconfig or --in-cluster, review from the files it judges")

// Needs returns what the policies of the set that are not off read of the cluster, all together: the fields that any of them reads, and the
// least of their bounds on age. What they read at data.inventory is not among it. It must not be changed.
func (s *Set) Needs() map[inventory.Kind]*inventory.Need { return s.needs }

// ReadsInventory reports whether the policy reads data.inventory.
func (p *Policy) ReadsInventory() bool { return len(p.synced) > 0 }

// Lacking says, a sentence for each kind, which of those that the policy may read at data.inventory cannot be relied on at that time, and why: a
// request that the policy is asked about has no answer until they can. The sentences stay the same as long as the reasons do.
func (p *Policy) Lacking(objects *inventory.Snapshot, now time.Time) (out []string) {
	if objects == nil || !p.ReadsInventory() {
		return nil
	}
	for _, lack := range objects.LackingSynced(now, p.synced.reads) {
		out = append(out, fmt.Sprintf("without %s nothing can be judged: %s", lack.Kind, lack.Why))
	}
	return out
}

// ReadsInventory reports whether some policy of the set that is not off reads data.inventory: if none does, nothing need be there.
func (s *Set) ReadsInventory() bool {
	return slices.ContainsFunc(s.policies, func(p *Policy) bool { return p.ReadsInventory() && !p.spec.Off() })
}

func allNeeds(compiled []*Policy) map[inventory.Kind]*inventory.Need {
	var all map[inventory.Kind]*inventory.Need
	for _, policy := range compiled {
		if policy.spec.Off() {
			continue
		}
		for kind, need := range policy.needs {
			if all == nil {
				all = map[inventory.Kind]*inventory.Need{}
			}
			sum := all[kind]
			if sum == nil {
				sum = &inventory.Need{Fields: &inventory.Fields{}, MaxStaleness: need.MaxStaleness}
				all[kind] = sum
			}
			sum.Fields.Merge(need.Fields)
			sum.MaxStaleness = min(sum.MaxStaleness, need.MaxStaleness)
		}
	}
	return all
}

// snapshot is the inventory that a review sees: the one pinned to ctx by Steady, if it is, or else the present one. It is nil for a Set
// whose policies do not look.
func (s *Set) snapshot(ctx context.Context) *inventory.Snapshot {
	if !s.looks || s.inventory == nil {
		return nil
	}
	if pin, ok := ctx.Value(pinKey{}).(*pin); ok {
		return pin.snapshot(s.inventory)
	}
	return s.inventory()
}

// WithoutInventory makes faults of those policies of a source that declare data, because here there is no cluster from which to take it.
func WithoutInventory(source Source) Source {
	return SourceFunc(func(ctx context.Context, yield func(Bundle)) error {
		return source.Run(ctx, func(bundle Bundle) { yield(bundle.withoutData()) })
	})
}

func (b Bundle) withoutData() Bundle {
	specs, faults := b.Specs, slices.Clone(b.Faults)
	b.Specs, b.Faults = nil, nil
	for _, spec := range specs {
		if len(spec.Data) == 0 {
			b.Specs = append(b.Specs, spec)
			continue
		}
		kinds := make([]string, len(spec.Data))
		for i, kind := range spec.Data {
			kinds[i] = string(kind)
		}
		faults = append(faults, Fault{File: spec.File, Policy: spec.ID, Err: fmt.Errorf(
			"%s: policy %s reads %s of a cluster, and this server has none: start it with --kubeconfig FILE or --in-cluster",
			spec.File, spec.ID, strings.Join(kinds, ", "))})
	}
	b.Faults = faults
	return b
}

// needs works out what a policy reads of each kind it declares. What Secrets hold it may not: it would be masked, and be like nothing that
// the policy compares it with.
func needs(compiler *ast.Compiler, spec Spec) (map[inventory.Kind]*inventory.Need, error) {
	if len(spec.Data) == 0 {
		return nil, nil
	}
	reveals := false
	out := map[inventory.Kind]*inventory.Need{}
	for _, kind := range spec.Data {
		out[kind] = &inventory.Need{Fields: &inventory.Fields{}, MaxStaleness: spec.MaxStaleness}
	}
	readFields(compiler, func(kind inventory.Kind, path []inventory.Step, whole bool) {
		if need := out[kind]; need != nil {
			need.Fields.Add(path, whole)
			reveals = reveals || whole && kind == inventory.Secrets && inventory.Reveals(path)
		}
	})
	if reveals {
		return nil, fmt.Errorf("%s: policy %s reads what is in Secrets, and policies see only the names of the keys in their data: "+
			"ask whether a key is there, or judge the Secret itself when it is written", spec.at(), spec.ID)
	}
	return out, nil
}
