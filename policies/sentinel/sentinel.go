package sentinel

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// reviews are the requests, a file each: what it is, whether its registration spares it by name, and the review as the API server would
// send it.
//
//go:embed reviews
var reviews embed.FS

// checkTime bounds the judgement of all reviews by one policy. Each takes far less than a millisecond; what takes seconds would keep the
// cluster waiting.
const checkTime = 5 * time.Second

// Options say what the server knows of itself.
type Options struct {
	// Namespace and Name are where the release is and what it is called; empty, both are portcullis.
	Namespace, Name string
	// Exempt are the namespaces in which admission is never asked about, as the server and its registration exempt them.
	Exempt []string
}

// Sentinel judges policies. It is immutable and safe for concurrent use.
type Sentinel struct {
	requests   []request
	exempt     []request // in namespaces in which admission is never asked about
	spared     []request // of objects that Portcullis is repaired by, which the registration spares by name
	namespaces policies.Namespaces
}

type request struct {
	what string
	*review.Request
}

// New reads the requests for a release. The error names an option that makes no sense.
func New(o Options) (*Sentinel, error) {
	if o.Namespace == "" {
		o.Namespace = "portcullis"
	}
	if o.Name == "" {
		o.Name = "portcullis"
	}
	for _, name := range []string{o.Namespace, o.Name} {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			return nil, fmt.Errorf("%q cannot be the name of the release or its namespace: %s", name, problems[0])
		}
	}
	s := &Sentinel{namespaces: known}
	err := fs.WalkDir(reviews, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(reviews, file)
		if err != nil {
			return err
		}
		err = s.read(o, []byte(strings.NewReplacer("${NAMESPACE}", o.Namespace, "${NAME}", o.Name).Replace(string(text))))
		if err != nil {
			return fmt.Errorf("%s: %w", path.Base(file), err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the requests a cluster lives by: %w", err)
	}
	return s, nil
}

// read takes up the requests of one file, by the dialects by which the server reads what it is sent, and tells those that are asked about
// from those that never are.
func (s *Sentinel) read(o Options, text []byte) error {
	var file struct {
		What   string          `json:"what"`
		Spared bool            `json:"spared"`
		Review json.RawMessage `json:"review"`
	}
	var head struct{ Kind string }
	if err := errors.Join(yaml.UnmarshalStrict(text, &file), json.Unmarshal(file.Review, &head)); err != nil {
		return err
	}
	var dialects []review.Dialect
	switch head.Kind {
	case "AdmissionReview":
		dialects = []review.Dialect{review.DialectMutate, review.DialectValidate}
	case "SubjectAccessReview":
		dialects = []review.Dialect{review.DialectGuard}
	default:
		return fmt.Errorf("a %q is not a review that is judged here", head.Kind)
	}
	for _, dialect := range dialects {
		req, _, err := dialect(file.Review)
		if err != nil {
			return err
		}
		to := &s.requests
		switch {
		case req.Stage == review.Guard:
		case file.Spared:
			to = &s.spared
		case req.Target.Namespace != "" && slices.Contains(o.Exempt, req.Target.Namespace):
			to = &s.exempt
		}
		*to = append(*to, request{file.What, req})
	}
	return nil
}

// Check returns nil if the policy refuses none of the requests, or else which it would have refused and why. A policy that cannot be asked
// about one of them refuses it if its onError says so. To a policy that reads objects of the cluster there are none: every server must come
// to the same end, whatever is in the cluster at the moment.
func (s *Sentinel) Check(ctx context.Context, policy *policies.Policy) error {
	spec := policy.Spec()
	kinds, first, err := s.refused(ctx, policy, s.requests)
	switch {
	case err != nil:
		return err
	case kinds == 0:
		return nil
	case kinds == 1:
		return fmt.Errorf("%s: policy %s is not put in force, for it would refuse what the cluster lives by; narrow its match: %s",
			spec.File, spec.ID, first)
	}
	return fmt.Errorf("%s: policy %s is not put in force, for it would refuse what the cluster lives by, %d kinds of requests; narrow its match: %s",
		spec.File, spec.ID, kinds, first)
}

// Spared says, in sentences for whoever wrote the policy, that it would refuse what the cluster lives by if it were asked about it, and that
// it never is, because that lies in exempt namespaces or is what Portcullis is repaired by; nothing if it would not, or if ctx ends.
func (s *Sentinel) Spared(ctx context.Context, policy *policies.Policy) []string {
	var out []string
	for _, never := range []struct {
		sentence string
		requests []request
	}{
		{"it is never asked about what is in an exempt namespace, and could refuse there what the cluster lives by: ", s.exempt},
		{"it is never asked about the ClusterRole, the binding and the kinds by which Portcullis is repaired, and could refuse that: ", s.spared},
	} {
		if kinds, first, err := s.refused(ctx, policy, never.requests); err == nil && kinds > 0 {
			out = append(out, never.sentence+first)
		}
	}
	return out
}

// refused says how many kinds of requests the policy refuses, and which is the first.
func (s *Sentinel) refused(ctx context.Context, policy *policies.Policy, requests []request) (kinds int, first string, err error) {
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	set := policies.NewSet([]*policies.Policy{policy}, policies.WithNamespaces(s.namespaces), policies.WithInventory(nothing(policy)))
	refused := map[string]bool{}
	for _, req := range requests {
		d, err := set.Review(checking, req.Request)
		if ctx.Err() != nil {
			return 0, "", ctx.Err()
		}
		message := ""
		switch {
		case err != nil:
			message = err.Error()
		case d.Verdict == review.Deny:
			message = refusal(d)
		default:
			continue
		}
		if first == "" {
			first = fmt.Sprintf("%s (%s %s by %s): %s", req.what, req.Verb, req.Target, req.User.Username, message)
		}
		refused[req.what] = true
	}
	return len(refused), first, nil
}

// nothing is an inventory of the kinds that the policy reads, of none of which there is an object.
func nothing(policy *policies.Policy) *inventory.Store {
	store := &inventory.Store{}
	for kind, need := range policies.NewSet([]*policies.Policy{policy}).Needs() {
		store.Replace(kind, inventory.List{Fields: need.Fields.Of(false), Fixed: true})
	}
	return store
}

func refusal(d review.Decision) string {
	for _, f := range d.Findings {
		if f.Effect == review.EffectDeny {
			return f.Message
		}
	}
	return "it gives no reason"
}

// known knows every namespace, and of each what it is called: a policy that asks for more is not at fault.
func known(name string) (policies.Namespace, bool) {
	text, err := yaml.YAMLToJSON([]byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + ", labels: {kubernetes.io/metadata.name: " + name + "}}"))
	if err != nil {
		return policies.Namespace{}, false
	}
	object, err := policies.ParseValue(text)
	return policies.Namespace{Labels: labels.Set{"kubernetes.io/metadata.name": name}, Object: object}, err == nil
}
