package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
)

const (
	configGroup, configKind   = "config.gatekeeper.sh", "Config"
	syncSetGroup, syncSetKind = "syncset.gatekeeper.sh", "SyncSet"
	version                   = "v1alpha1"
	// configName is that of the one Config there is.
	configName = "config"
)

// Concerns reports whether a document is a Config or a SyncSet, or a template that says what it looks for at data.inventory.
func Concerns(d policies.Document) bool {
	return isSetting(d) || d.Object.GetKind() == gatekeeper.TemplateKind
}

func isSetting(d policies.Document) bool { return IsConfig(d) || IsSyncSet(d) }

// IsConfig reports whether a document is a Config, of whatever version.
func IsConfig(d policies.Document) bool {
	gvk := d.Object.GroupVersionKind()
	return gvk.Group == configGroup && gvk.Kind == configKind
}

// IsSyncSet reports whether a document is a SyncSet, of whatever version.
func IsSyncSet(d policies.Document) bool {
	gvk := d.Object.GroupVersionKind()
	return gvk.Group == syncSetGroup && gvk.Kind == syncSetKind
}

// Process is what namespaces are excluded from.
type Process string

// The processes.
const (
	Webhook  Process = "webhook"          // constraints at admission
	Mutation Process = "mutation-webhook" // mutators
	Sync     Process = "sync"             // data.inventory
	Audit    Process = "audit"            // constraints, for objects that lie in the cluster
)

func processes() []Process { return []Process{Audit, Mutation, Sync, Webhook} }

// groupVersionKind names a kind of objects that is synced.
type groupVersionKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

// entry excludes from processes what all of its criteria hold for.
type entry struct {
	Processes          []string              `json:"processes"`
	ExcludedNamespaces []match.Wildcard      `json:"excludedNamespaces"`
	APIGroups          []string              `json:"apiGroups"`
	APIVersions        []string              `json:"apiVersions"`
	Kinds              []string              `json:"kinds"`
	NamespaceSelector  *metav1.LabelSelector `json:"namespaceSelector"`
}

// config is spec of a Config.
type config struct {
	Sync struct {
		SyncOnly []groupVersionKind `json:"syncOnly"`
	} `json:"sync"`
	Match      []entry `json:"match"`
	Validation struct {
		Traces []struct {
			User string           `json:"user"`
			Kind groupVersionKind `json:"kind"`
			Dump string           `json:"dump"`
		} `json:"traces"`
	} `json:"validation"`
	Readiness struct {
		StatsEnabled bool `json:"statsEnabled"`
	} `json:"readiness"`
}

// syncSet is spec of a SyncSet.
type syncSet struct {
	GVKs []groupVersionKind `json:"gvks"`
}

// object is what one Config or SyncSet says. It is immutable.
type object struct {
	kind, name string
	document   policies.Document
	synced     []schema.GroupVersionKind
	match      []exclusion
	notes      []string
}

// same reports whether two say the same.
func (o *object) same(other *object) bool {
	return slices.Equal(o.synced, other.synced) && slices.EqualFunc(o.match, other.match, func(a, b exclusion) bool {
		return reflect.DeepEqual(a.entry, b.entry)
	})
}

// read reads one Config or SyncSet.
func read(d policies.Document) (*object, *policies.Fault) {
	o := &object{kind: d.Object.GetKind(), name: d.Object.GetName(), document: d}
	if given := d.Object.GroupVersionKind().Version; given != version {
		return nil, d.Fault(fmt.Errorf("version %s is not %s, the only one there is", given, version), "apiVersion")
	}
	if o.kind == syncSetKind {
		var spec syncSet
		if fault := d.Spec(&spec); fault != nil {
			return nil, fault
		}
		return o, o.sync(spec.GVKs, "spec", "gvks")
	}
	if o.name != configName {
		return nil, d.Fault(fmt.Errorf("the name of the Config is %s; one of another name would say nothing", configName), "metadata", "name")
	}
	var spec config
	if fault := d.Spec(&spec); fault != nil {
		return nil, fault
	}
	if len(spec.Validation.Traces) > 0 {
		o.note("spec.validation.traces have no effect; portcullis review shows what a policy says, and portcullis eval how it comes to that",
			"spec", "validation", "traces")
	}
	if spec.Readiness.StatsEnabled {
		o.note("spec.readiness.statsEnabled has no effect; /readyz says what is not ready", "spec", "readiness", "statsEnabled")
	}
	if fault := o.sync(spec.Sync.SyncOnly, "spec", "sync", "syncOnly"); fault != nil {
		return nil, fault
	}
	return o, o.exclude(spec.Match)
}

func (o *object) note(text string, path ...string) {
	o.notes = append(o.notes, fmt.Sprintf("%s: %s %s: %s", o.document.At(path...), o.kind, o.name, text))
}

// sync takes the kinds that are to be synced, which stand under path.
func (o *object) sync(kinds []groupVersionKind, path ...string) *policies.Fault {
	for i, k := range kinds {
		at := append(slices.Clip(path), strconv.Itoa(i))
		switch {
		case k.Version == "" || k.Kind == "":
			return o.document.Fault(fmt.Errorf("%s[%d] needs a version and a kind, as {group: networking.k8s.io, version: v1, kind: Ingress}; "+
				"the group of Pods and the like is empty", strings.Join(path, "."), i), at...)
		case strings.ContainsAny(k.Group+k.Version+k.Kind, "*/ "):
			return o.document.Fault(fmt.Errorf("%s[%d]: %q is not one kind of objects; name each kind with its group and version",
				strings.Join(path, "."), i, strings.Trim(k.Group+"/"+k.Version+"/"+k.Kind, "/")), at...)
		}
		o.synced = append(o.synced, schema.GroupVersionKind(k))
	}
	return nil
}

// exclude takes what is excluded.
func (o *object) exclude(entries []entry) *policies.Fault {
	for i, e := range entries {
		at := []string{"spec", "match", strconv.Itoa(i)}
		for j, name := range e.Processes {
			if name != "*" && !slices.Contains(processes(), Process(name)) {
				return o.document.Fault(fmt.Errorf("spec.match[%d].processes: %q is none of audit, mutation-webhook, sync, webhook and *", i, name),
					append(at, "processes", strconv.Itoa(j))...)
			}
		}
		for j, name := range e.ExcludedNamespaces {
			if name == "" || !name.Valid() {
				return o.document.Fault(fmt.Errorf("spec.match[%d].excludedNamespaces: %q is not the name of a namespace; "+
					"a name has lower case letters, digits and dashes, and may begin and end with an asterisk", i, name),
					append(at, "excludedNamespaces", strconv.Itoa(j))...)
			}
		}
		x, err := newExclusion(e)
		if err != nil {
			return o.document.Fault(fmt.Errorf("spec.match[%d].%w", i, err), append(at, err.field)...)
		}
		o.match = append(o.match, x)
		empty := len(e.ExcludedNamespaces) == 0 && !x.finer()
		switch {
		case len(e.Processes) == 0 && !empty:
			o.note(fmt.Sprintf(`spec.match[%d] names no processes and excludes nothing; write processes: ["*"] for all`, i), at...)
		case len(e.Processes) > 0 && empty:
			o.note(fmt.Sprintf("spec.match[%d] names no excludedNamespaces and excludes nothing", i), at...)
		case x.finer() && x.from(Sync):
			o.note(fmt.Sprintf("spec.match[%d] keeps nothing out of data.inventory: the process sync knows excludedNamespaces alone", i), at...)
		}
	}
	return nil
}

// errTwice is what is wrong with the second of a name.
func errTwice(first *object) error {
	if first.kind == configKind {
		return fmt.Errorf("it is also defined in %s, and not alike; there is one Config", first.document.At())
	}
	return errors.New("it is also defined in " + first.document.At() + ", and not alike; give one of them another name")
}
