package status

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/review"
)

// The codes of errors, as Gatekeeper has them.
const (
	codeCreate = "create_error" // the kind of a template's constraints could not be made
	codeUpdate = "update_error" // nor changed
	codeIngest = "ingest_error" // what the object says is not in force
	// codeLacking is ours: the object is in force and well, and what it reads is not known.
	codeLacking = "data_unavailable"
)

const (
	// maxErrors bounds the errors of one entry, each of which is there once a replica.
	maxErrors = 5
	// maxMessage bounds an error's text in bytes.
	maxMessage = 1024
)

// Replica is a server that is alive.
type Replica struct {
	Name string
	// Serves reports whether it serves that version of what is called so, or a set of policies of that revision.
	Serves func(revision, name, version string) bool
}

// Page is what the server knows of Gatekeeper's objects at one moment.
type Page struct {
	Load policies.Load
	// Warns reports whether a Gatekeeper beside this server decides: constraints refuse nothing here, and mutators change nothing.
	Warns bool
	// Versions are those of the objects that Load is about.
	Versions source.Versions
	// InForce has the versions of policies and mutators in force, by name.
	InForce map[string]string
	// Served reports whether the API server takes the constraints of a template.
	Served func(template string) bool
	// CRDs says, by template, why the API server does not.
	CRDs map[string]error
	// Lacking says, by policy in force, what of the objects it reads cannot be relied on, a sentence each: it has no answer until they can.
	Lacking map[string][]string
	// Unsynced says why nothing is known of a kind that the Config or a SyncSet names, and that some constraint reads.
	Unsynced map[schema.GroupVersionKind]string
}

// Observed are the names under which a replica tells, beside the policies, which objects it has read, and in which version.
func Observed(versions source.Versions) map[string]string {
	out := map[string]string{}
	for file, version := range versions {
		out[observed(file)] = version
	}
	return out
}

func observed(file string) string { return "read " + file }

// subject is an object about which a status is written.
type subject struct {
	*unstructured.Unstructured
	at    schema.GroupVersionResource
	shape shape
}

// judgement is what the status of an object should say, of what is ours to say.
type judgement struct {
	byPod   []any // entries of every server's, ours among them
	created *bool // nil where that is not ours to say
	ready   metav1.Condition
}

// judge says what the status of an object should be. now is the time of what is new.
func (p Page) judge(s subject, release string, replicas []Replica, now time.Time) judgement {
	var out judgement
	faults, lacking := p.faults(s), p.lacking(s)
	created := s.at.Group != templates || p.Served(s.GetName())
	foreign, own := entries(s.Unstructured, release)
	var mine []any
	serve, enforce := 0, 0
	for _, replica := range replicas {
		id := release + "/" + replica.Name
		before := own[id]
		if entry, ok := p.entry(s, id, before, replica, faults, lacking, now); ok {
			serve++
			if s.shape.inForce == "" || entry[s.shape.inForce] == true {
				enforce++
			}
			mine = append(mine, entry)
		} else if before != nil && (s.shape.uid == "" || before[s.shape.uid] == string(s.GetUID())) { // what it made of an earlier version
			mine = append(mine, before)
		}
	}
	out.byPod = append(foreign, mine...)
	// Gatekeeper says it, too, where it runs; then it is only said once it is true.
	if s.at.Group == templates && (created || len(foreign) == 0) {
		out.created = &created
	}
	out.ready = ready(faults, lacking, created, serve, enforce, len(replicas))
	if why := p.weaker(s); why != "" && len(faults)+len(lacking) == 0 && serve == len(replicas) {
		out.ready.Message = why
	}
	return out
}

// byChoice begins why an object does less than it says, since somebody wanted it so.
const byChoice = "gatekeeper-enforcement is warn: "

func restsByChoice(message string) bool { return strings.HasPrefix(message, byChoice) }

// The reasons for which an object is not ready that pass by themselves.
const (
	reasonKindMissing = "KindMissing"
	reasonRollingOut  = "RollingOut"
	reasonLacking     = "DataUnavailable"
)

// weaker says why an object without fault does less here than it says, or nothing.
func (p Page) weaker(s subject) string {
	switch {
	case p.Warns && s.at.Group == constraints:
		return byChoice + "what this constraint would refuse passes with a warning"
	case p.Warns && s.at.Group == mutations:
		return byChoice + "this mutator is left to Gatekeeper, and changes nothing here"
	}
	return ""
}

func ready(faults, lacking []fault, created bool, serve, enforce, all int) metav1.Condition {
	out := metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse}
	switch {
	case len(faults) > 0:
		out.Reason, out.Message = "Faulty", faults[0].message
	case !created:
		out.Reason, out.Message = reasonKindMissing, "the API server does not take constraints of this kind yet"
	case serve < all || all == 0:
		out.Reason, out.Message = reasonRollingOut, fmt.Sprintf("%d of %d replicas have read it", serve, all)
	case enforce < all:
		out.Reason, out.Message = "NotInForce", fmt.Sprintf("it is in force on %d of %d replicas", enforce, all)
	case len(lacking) > 0:
		out.Reason, out.Message = reasonLacking, lacking[0].message
	default:
		out.Status, out.Reason = metav1.ConditionTrue, "ServedByAll"
	}
	return out
}

// entry is that of one replica; false if it has not read this version of the object.
func (p Page) entry(s subject, id string, before map[string]any, replica Replica, faults, lacking []fault, now time.Time) (map[string]any, bool) {
	revision := ""
	if p.Load.Set != nil {
		revision = p.Load.Set.Revision()
	}
	file := source.GatekeeperFileOf(s.Unstructured)
	if !replica.Serves(revision, observed(file), p.Versions[file]) {
		return nil, false
	}
	entry := map[string]any{"id": id, "observedGeneration": s.GetGeneration()}
	if s.shape.uid != "" {
		entry[s.shape.uid] = string(s.GetUID())
	}
	if s.shape.operation != "" {
		entry["operations"] = []any{s.shape.operation}
	}
	if s.shape.inForce != "" {
		inForce := len(faults) == 0
		if name := policyOf(s.at, s.GetKind(), s.GetName()); name != "" {
			version, served := p.InForce[name]
			inForce = served && replica.Serves(revision, name, version)
		}
		entry[s.shape.inForce] = inForce
	}
	told := faults
	if why := p.weaker(s); why != "" && len(faults) == 0 && entry[s.shape.inForce] == false {
		told = []fault{{code: codeIngest, message: why}}
	}
	if told = slices.Concat(told, lacking); len(told) > 0 {
		entry["errors"] = s.errors(told, before, now)
	}
	if points := pointsOf(s); len(points) > 0 {
		entry["enforcementPointsStatus"] = points
	}
	if s.shape.dated {
		entry["lastTransitionTime"] = now.UTC().Format(time.RFC3339)
		if since, ok := before["lastTransitionTime"]; ok && before[s.shape.inForce] == entry[s.shape.inForce] {
			entry["lastTransitionTime"] = since
		}
	}
	return entry, true
}

// errors are the faults as the entries of a kind spell them.
func (s subject) errors(faults []fault, before map[string]any, now time.Time) (out []any) {
	for _, f := range faults[:min(len(faults), maxErrors)] {
		one := map[string]any{"message": f.message}
		if s.shape.coded {
			one["code"] = f.code
			if f.location != "" {
				one["location"] = f.location
			}
		}
		if s.shape.typed {
			one["type"] = "Conversion"
		}
		if s.shape.dated {
			one["retryable"], one["errorTimestamp"] = false, now.UTC().Format(time.RFC3339)
			known, _ := before["errors"].([]any)
			for _, old := range known {
				if was, ok := old.(map[string]any); ok && was["message"] == f.message && was["errorTimestamp"] != nil {
					one["errorTimestamp"] = was["errorTimestamp"]
				}
			}
		}
		out = append(out, one)
	}
	return out
}

// fault is what is wrong with an object.
type fault struct{ code, location, message string }

// faults are all that are known of an object, those of the template of a constraint among them.
func (p Page) faults(s subject) (out []fault) {
	at := regexp.MustCompile(`^(\S+:\d+): (.*)$`)
	name := policyOf(s.at, s.GetKind(), s.GetName())
	for _, f := range p.Load.Faults {
		if !source.ReadFrom(s.Unstructured, f.File) && (name == "" || f.Policy != name && !slices.Contains(f.Also, name)) {
			continue
		}
		for line := range strings.SplitSeq(f.Err.Error(), "\n") {
			one := fault{code: cmp.Or(source.CodeOf(f.Err), codeIngest), message: line}
			if found := at.FindStringSubmatch(line); found != nil {
				one.location, one.message = found[1], found[2]
			}
			one.message = review.Sentence(one.message, maxMessage)
			out = append(out, one)
		}
	}
	if err := p.CRDs[s.GetName()]; err != nil && s.at.Group == templates {
		code := codeCreate
		if _, there := errors.AsType[*source.UpdateError](err); there {
			code = codeUpdate
		}
		out = append(out, fault{code: code, message: review.Sentence(err.Error(), maxMessage)})
	}
	return out
}

// lacking is what is not known of what a constraint, or those of a template, read, and of the kinds that the Config or a SyncSet names. They
// are in force all the same, and refuse.
func (p Page) lacking(s subject) (out []fault) {
	var all []string
	switch s.at.Group {
	case constraints:
		all = p.Lacking[policyOf(s.at, s.GetKind(), s.GetName())]
	case templates:
		for name, texts := range p.Lacking {
			if strings.HasPrefix(name, s.GetName()+"/") {
				all = append(all, texts...)
			}
		}
		slices.Sort(all)
		all = slices.Compact(all)
	case configs, syncSets:
		for _, kind := range syncedBy(s) {
			if why := p.Unsynced[kind]; why != "" {
				all = append(all, fmt.Sprintf("nothing is known of %s/%s: %s", kind.GroupVersion(), kind.Kind, why))
			}
		}
	}
	for _, text := range all {
		if !p.Warns {
			text += "; until then a constraint that denies refuses what it is asked about"
		}
		out = append(out, fault{code: codeLacking, message: review.Sentence(text, maxMessage)})
	}
	return out
}

// syncedBy lists the kinds that the Config or a SyncSet names.
func syncedBy(s subject) (out []schema.GroupVersionKind) {
	path := map[string][]string{configs: {"spec", "sync", "syncOnly"}, syncSets: {"spec", "gvks"}}[s.at.Group]
	named, _, _ := unstructured.NestedSlice(s.Object, path...)
	for _, one := range named {
		kind, _ := one.(map[string]any)
		text := func(name string) string { value, _ := kind[name].(string); return value }
		out = append(out, schema.GroupVersionKind{Group: text("group"), Version: text("version"), Kind: text("kind")})
	}
	return out
}

// pointsOf says, of a constraint whose actions are scoped, at which of its enforcement points it is in force here.
func pointsOf(s subject) (out []any) {
	if s.at.Group != constraints {
		return nil
	}
	actions, _, _ := unstructured.NestedSlice(s.Object, "spec", "scopedEnforcementActions")
	seen := map[string]bool{}
	for _, action := range actions {
		scoped, _ := action.(map[string]any)
		points, _, _ := unstructured.NestedSlice(scoped, "enforcementPoints")
		for _, point := range points {
			named, _ := point.(map[string]any)
			name, _ := named["name"].(string)
			if name == "*" {
				name = webhookPoint
			}
			if name != webhookPoint && name != apiServerPoint || seen[name] {
				continue
			}
			seen[name] = true
			one := map[string]any{"enforcementPoint": name, "state": "active", "observedGeneration": s.GetGeneration()}
			if name == apiServerPoint {
				one["state"], one["message"] = "error", "this enforcement point is an API server's own, and not enforced here"
			}
			out = append(out, one)
		}
	}
	return out
}

// The enforcement points of which an entry tells. The others are not a webhook's.
const (
	webhookPoint   = "validation.gatekeeper.sh"
	apiServerPoint = "vap.k8s.io"
)

// entries takes the entries of a status apart: those of other servers, as they are, and those of the release, by their ids.
func entries(u *unstructured.Unstructured, release string) (foreign []any, own map[string]map[string]any) {
	own = map[string]map[string]any{}
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "byPod")
	for _, one := range all {
		entry, _ := one.(map[string]any)
		id, _ := entry["id"].(string)
		if strings.HasPrefix(id, release+"/") {
			own[id] = entry
		} else {
			foreign = append(foreign, one)
		}
	}
	return foreign, own
}

// holds reports whether a status says what it should, if its entries of ours are these.
func (j judgement) holds(u *unstructured.Unstructured, own map[string]map[string]any, release string) bool {
	_, live := entries(u, release)
	created, known, _ := unstructured.NestedBool(u.Object, "status", "created")
	return len(live) == len(own) && (len(own) == 0 || reflect.DeepEqual(live, own)) && (j.created == nil || known && created == *j.created)
}

// own are the entries of ours.
func (j judgement) own(release string) map[string]map[string]any {
	_, own := entries(&unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"byPod": j.byPod}}}, release)
	return own
}
