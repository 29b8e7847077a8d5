package native

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob" // as OPA
	"github.com/santhosh-tekuri/jsonschema/v6"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/review"
)

// formats are those that a schema may name beyond those of JSON schema. Each is of values that may be misspelt so that they never match, or
// are a fault of every request. The objects are those that the policy is asked about.
func formats(objects []policies.Resource) map[string]func(v any) error {
	return map[string]func(v any) error{
		"annotation-key": ofText(annotationKey),
		"cidr":           ofText(cidr),
		deadline:         ofText(timestamp),
		"field-path":     func(v any) error { return fieldPath(v, objects) },
		"from-until":     fromUntil,
		"glob":           ofText(globPattern),
		"label-key":      ofText(labelKey),
		"label-value":    ofText(labelValue),
		"namespace":      ofText(namespace),
		"namespace-glob": ofText(namespaceGlob),
		"quantity":       ofText(quantity),
		"resource":       ofText(oneResource),
		"time-zone":      ofText(timeZone),
		"verb":           ofText(wrongVerb),
	}
}

// standardFormats are those of JSON schema, as far as they are held to.
func standardFormats() []string {
	return strings.Fields("date date-time duration email hostname ipv4 ipv6 iri iri-reference json-pointer period regex relative-json-pointer semver time uri " +
		"uri-reference uri-template uuid")
}

// useFormats has a compiler hold to them.
func useFormats(compiler *jsonschema.Compiler, objects []policies.Resource) {
	compiler.AssertFormat() // a regular expression that cannot be read would be a fault of every request
	for name, validate := range formats(objects) {
		compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
			if err := validate(v); err != nil {
				return &formatError{err}
			}
			return nil
		}})
	}
}

// wrongFormat returns an error for a format that nobody holds values to.
func wrongFormat(at string, name any) error {
	known := slices.Sorted(maps.Keys(formats(nil)))
	text, ok := name.(string)
	switch near := spelling.Nearest(text, append(known, standardFormats()...)...); {
	case ok && (slices.Contains(known, text) || slices.Contains(standardFormats(), text)):
		return nil
	case near != "":
		return fmt.Errorf("the schema of the parameters: %s: the format %v is not known; did you mean %s?", at, name, near)
	}
	return fmt.Errorf("the schema of the parameters: %s: the format %v is not known; beside those of JSON schema there are %s", at, name, spelling.Listed(known, "and"))
}

// formatError is what is wrong with a value, in a sentence that needs no other.
type formatError struct{ err error }

func (e *formatError) Error() string { return e.err.Error() }
func (e *formatError) Unwrap() error { return e.err }

// ofText is a format of texts. What is no text is for the type to refuse.
func ofText(validate func(string) error) func(any) error {
	return func(v any) error {
		if text, ok := v.(string); ok {
			return validate(text)
		}
		return nil
	}
}

// timeZone refuses names that nobody knows, which would be a fault of every request, and one that the process takes for its own, which would be another
// on another machine.
func timeZone(name string) error {
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return fmt.Errorf("%q is not a time zone; write UTC, or one as Europe/Berlin", name)
	}
	return nil
}

// globPattern refuses what glob.match cannot read.
func globPattern(pattern string) error {
	if _, err := glob.Compile(pattern); err != nil {
		return fmt.Errorf("%q is not a pattern: %w", pattern, err)
	}
	return nil
}

// oneResource refuses what is not a resource spelled with its group, as questions about access have it.
func oneResource(text string) error {
	path, subresource, slash := strings.Cut(text, "/")
	plural, group, grouped := strings.Cut(path, ".")
	if slash {
		subresource = "/" + subresource
	}
	switch {
	case text == workloads:
		return fmt.Errorf("%q is more than one resource; name each, as %q", text, "deployments.apps")
	case strings.ContainsAny(text, "* "):
		return fmt.Errorf("%q is not a resource; name each by itself, as %q", text, "deployments.apps")
	case !grouped && slices.Contains(impersonated(), plural) && !slash:
		return nil
	case !grouped && len(groupsOf(plural)) == 0:
		if near := nearPlural(plural); near != "" {
			return fmt.Errorf("%q is not a resource built into Kubernetes; did you mean %q?", text, near+subresource)
		}
	case !grouped && !slices.Contains(groupsOf(plural), ""):
		return fmt.Errorf("%q needs its group; did you mean %q?", text, plural+"."+groupsOf(plural)[0]+subresource)
	case group == "core":
		return fmt.Errorf("%q is written without a group; did you mean %q?", text, plural+subresource)
	}
	_, err := readResource(text, review.Guard)
	return err
}

// nearPlural returns the built-in resource, with its group, that a text is most likely meant for, as "pods" for "Pod"; or "".
func nearPlural(text string) string {
	var all []string
	for _, plurals := range builtIn() {
		all = append(all, plurals...)
	}
	slices.Sort(all)
	near := spelling.Nearest(strings.ToLower(text), all...)
	if near == "" {
		return ""
	}
	return strings.TrimSuffix(near+"."+groupsOf(near)[0], ".")
}

// wrongVerb refuses what can be no verb, and slips of those of Kubernetes. Others are free: an extension may have its own.
func wrongVerb(verb string) error {
	if strings.Trim(verb, "abcdefghijklmnopqrstuvwxyz-:") == "" && verb != "" {
		return misspeltVerb(verb)
	}
	if lower := strings.ToLower(verb); slices.Contains(verbsOfKubernetes(), lower) {
		return fmt.Errorf("%q is no verb of Kubernetes; did you mean %s?", verb, lower)
	}
	return fmt.Errorf("%q is no verb; name each by itself, in lower case, as get or create", verb)
}

const namespaceCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-"

func namespace(name string) error {
	if len(validation.IsDNS1123Label(name)) > 0 {
		return fmt.Errorf(`%q is no namespace's name, which is lower-case letters, digits and "-"; patterns are not for this parameter`, name)
	}
	return nil
}

func namespaceGlob(pattern string) error {
	if strings.Trim(pattern, namespaceCharacters+"*") != "" || pattern == "" || len(pattern) > validation.DNS1123LabelMaxLength {
		return fmt.Errorf(`%q is no namespace's name, which is lower-case letters, digits and "-"; in a pattern "*" stands for any text`, pattern)
	}
	return nil
}

func labelKey(key string) error {
	if len(validation.IsQualifiedName(key)) > 0 {
		return fmt.Errorf("%q is not the key of a label, which is a name as %q, or one behind a domain and a slash as %q", key, "team", "example.com/team")
	}
	return nil
}

func annotationKey(key string) error {
	if len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
		return fmt.Errorf("%q is not the key of an annotation, which is a name as %q, or one behind a domain and a slash as %q", key, "team", "example.com/team")
	}
	return nil
}

func labelValue(value string) error {
	if len(validation.IsValidLabelValue(value)) > 0 {
		return fmt.Errorf(`%q is not the value of a label, which is at most 63 letters, digits, "-", "_" and ".", and begins and ends with a letter or digit`, value)
	}
	return nil
}

func quantity(text string) error {
	if _, err := resource.ParseQuantity(text); err != nil {
		return fmt.Errorf("%q is not a quantity; write one as 500m or 1.5Gi", text)
	}
	return nil
}

func cidr(text string) error {
	if _, err := netip.ParsePrefix(text); err != nil {
		return fmt.Errorf("%q is not a block of addresses; write one as 203.0.113.0/28 or 2001:db8::/32", text)
	}
	return nil
}

func timestamp(text string) error {
	if _, err := time.Parse(time.RFC3339, text); err != nil { // as time.parse_rfc3339_ns reads it
		return fmt.Errorf("%q is not a time; write one as %q", text, "2030-12-31T18:00:00Z")
	}
	return nil
}

// fromUntil refuses an object that is over before it begins. What is no time is refused where it stands.
func fromUntil(v any) error {
	members, _ := v.(map[string]any)
	first, _ := members["from"].(string)
	last, _ := members["until"].(string)
	from, err := time.Parse(time.RFC3339, first)
	until, also := time.Parse(time.RFC3339, last)
	if err == nil && also == nil && !from.Before(until) {
		return fmt.Errorf("it ends %s, before it begins; let until be later than from, which is %s", last, first)
	}
	return nil
}

// fieldPath refuses a path that leads nowhere in the objects. It is a text with dots or, where a key has dots itself, a list of segments.
func fieldPath(v any, objects []policies.Resource) error {
	var segments []string
	switch path := v.(type) {
	case string:
		segments = strings.Split(path, ".")
	case []any:
		for _, segment := range path {
			text, _ := segment.(string) // what is none the type refuses
			segments = append(segments, text)
		}
	default:
		return nil
	}
	if slices.Contains(segments, "") {
		return fmt.Errorf("%q has an empty segment; write names of members with dots between them, as spec.type", strings.Join(segments, "."))
	}
	segments = slices.DeleteFunc(segments, func(s string) bool { return strings.Trim(s, "0123456789") == "" }) // of lists the elements are looked at
	return policies.CheckPath(objects, segments...)
}
