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
	"github.com/portcullis-dev/portcullis/review"
)

// reviews are the requests, a file each: what it is, and the review as the API server would send it.
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
		found, err := o.read([]byte(strings.NewReplacer("${NAMESPACE}", o.Namespace, "${NAME}", o.Name).Replace(string(text))))
		if err != nil {
			return fmt.Errorf("%s: %w", path.Base(file), err)
		}
		s.requests = append(s.requests, found...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the requests a cluster lives by: %w", err)
	}
	return s, nil
}

// read makes the requests of one file, by the dialects by which the server reads what it is sent.
func (o Options) read(text []byte) ([]request, error) {
	var file struct {
		What   string          `json:"what"`
		Review json.RawMessage `json:"review"`
	}
	var head struct{ Kind string }
	if err := errors.Join(yaml.UnmarshalStrict(text, &file), json.Unmarshal(file.Review, &head)); err != nil {
		return nil, err
	}
	var dialects []review.Dialect
	switch head.Kind {
	case "AdmissionReview":
		dialects = []review.Dialect{review.DialectMutate, review.DialectValidate}
	case "SubjectAccessReview":
		dialects = []review.Dialect{review.DialectGuard}
	default:
		return nil, fmt.Errorf("a %q is not a review that is judged here", head.Kind)
	}
	var out []request
	for _, dialect := range dialects {
		req, _, err := dialect(file.Review)
		if err != nil {
			return nil, err
		}
		if req.Stage == review.Guard || !slices.Contains(o.Exempt, req.Target.Namespace) || req.Target.Namespace == "" {
			out = append(out, request{file.What, req})
		}
	}
	return out, nil
}

// Check returns nil if the policy refuses none of the requests, or else which it would have refused and why. A policy that cannot be asked
// about one of them refuses it if its onError says so.
func (s *Sentinel) Check(ctx context.Context, policy *policies.Policy) error {
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	set := policies.NewSet([]*policies.Policy{policy}, policies.WithNamespaces(s.namespaces))
	spec := policy.Spec()
	refused := map[string]bool{}
	first := ""
	for _, req := range s.requests {
		d, err := set.Review(checking, req.Request)
		if ctx.Err() != nil {
			return ctx.Err()
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
	switch len(refused) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: policy %s is not put in force, for it would refuse what the cluster lives by; narrow its match: %s",
			spec.File, spec.ID, first)
	}
	return fmt.Errorf("%s: policy %s is not put in force, for it would refuse what the cluster lives by, %d kinds of requests; narrow its match: %s",
		spec.File, spec.ID, len(refused), first)
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
