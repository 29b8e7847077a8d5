package language_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/portcullis-dev/portcullis/policies/language"
	"k8s.io/apimachinery/pkg/api/resource"
)

// call evaluates function(argument) as a policy without METADATA would; the result is nil when undefined.
func call(t testing.TB, function string, argument any) (any, error) {
	t.Helper()
	results, err := rego.New(
		rego.Query("x := "+function+"(input)"), rego.Input(argument), rego.Capabilities(language.Capabilities()),
	).Eval(context.Background())
	if err != nil || len(results) == 0 {
		return nil, err
	}
	return results[0].Bindings["x"], nil
}

const digest = "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"

func TestImageParse(t *testing.T) {
	tests := []struct{ image, registry, repository, tag, digest string }{
		{image: "nginx", registry: "docker.io", repository: "library/nginx"},
		{image: "nginx:1.27", registry: "docker.io", repository: "library/nginx", tag: "1.27"},
		{image: "acme/app", registry: "docker.io", repository: "acme/app"},
		{image: "docker.io/nginx", registry: "docker.io", repository: "library/nginx"},
		{image: "index.docker.io/nginx", registry: "docker.io", repository: "library/nginx"},
		{image: "localhost/app", registry: "localhost", repository: "app"},
		{image: "localhost:5000/app:2", registry: "localhost:5000", repository: "app", tag: "2"},
		{image: "registry.example.com/a/b/c@" + digest, registry: "registry.example.com", repository: "a/b/c", digest: digest},
		{image: "ghcr.io/acme/app:v1@" + digest, registry: "ghcr.io", repository: "acme/app", tag: "v1", digest: digest},
		{image: "[::1]:5000/app", registry: "[::1]:5000", repository: "app"},
		{image: "registry.example.com.evil.org/app", registry: "registry.example.com.evil.org", repository: "app"},
		{image: "evil.org/registry.example.com/app", registry: "evil.org", repository: "registry.example.com/app"},
		{image: "registry.example.com:1234", registry: "docker.io", repository: "library/registry.example.com", tag: "1234"},
		{image: ""},
		{image: " nginx"},
		{image: "nginx\n"},
		{image: "Nginx"},
		{image: "https://registry.example.com/app"},
		{image: "user@registry.example.com/app"},
		{image: "nginx@sha256:short"},
		{image: strings.TrimPrefix(digest, "sha256:")},
	}
	for _, test := range tests {
		t.Run(test.image, func(t *testing.T) {
			var want any
			if test.registry != "" {
				want = map[string]any{
					"registry": test.registry, "repository": test.repository, "tag": test.tag, "digest": test.digest,
				}
			}
			got, err := call(t, "image.parse", test.image)
			if err != nil || ast.MustInterfaceToValue(got).Compare(ast.MustInterfaceToValue(want)) != 0 {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
			if valid, err := call(t, "image.is_valid", test.image); err != nil || valid != (want != nil) {
				t.Errorf("is_valid: got %v, %v", valid, err)
			}
		})
	}
	if valid, err := call(t, "image.is_valid", 7); err != nil || valid != false {
		t.Errorf("is_valid of a number: got %v, %v", valid, err)
	}
}

func TestQuantityParse(t *testing.T) {
	tests := []struct {
		quantity any
		want     string // empty for undefined
	}{
		{"0", "0"},
		{"1", "1"},
		{"+1", "1"},
		{"-1.50", "-1.5"},
		{"500m", "0.5"},
		{"100n", "0.0000001"},
		{"1u", "0.000001"},
		{"0.1n", "0.000000001"}, // rounded up, as Kubernetes does
		{"1k", "1000"},
		{"1Ki", "1024"},
		{"1.5Gi", "1610612736"},
		{"Gi", "0"}, // so says Kubernetes
		{"1E", "1000000000000000000"},
		{"1Ei", "1152921504606846976"},
		{"9223372036854775807", "9223372036854775807"},
		{"9223372036854775808123", "9223372036854775808123"},
		{"1e3", "1000"},
		{"1E3", "1000"},
		{"1e-3", "0.001"},
		{"1.25e2", "125"},
		{"1e30", "1" + strings.Repeat("0", 30)},
		{"-1e31", "-1" + strings.Repeat("0", 30)},
		{"9e999999999", "1" + strings.Repeat("0", 30)},
		{"9e9999999999999999999999", "1" + strings.Repeat("0", 30)},
		{"1e-999999999", "0.000000001"},
		{"0e999999999", "0"},
		{json.Number("2"), "2"},
		{json.Number("0.25"), "0.25"},
		{"", ""},
		{"1 Gi", ""},
		{"1GiB", ""},
		{"one", ""},
		{"0x10", ""},
		{"1e", ""},
		{"1e+-3", ""},
		{"NaN", ""},
	}
	for _, test := range tests {
		t.Run(ast.MustInterfaceToValue(test.quantity).String(), func(t *testing.T) {
			got, err := call(t, "quantity.parse", test.quantity)
			if test.want == "" {
				if got != nil || err != nil {
					t.Errorf("got %v, %v; want undefined", got, err)
				}
			} else if number, ok := got.(json.Number); !ok || err != nil || number.String() != test.want {
				t.Errorf("got %v, %v; want %s", got, err, test.want)
			}
			if valid, err := call(t, "quantity.is_valid", test.quantity); err != nil || valid != (test.want != "") {
				t.Errorf("is_valid: got %v, %v", valid, err)
			}
		})
	}
	if valid, err := call(t, "quantity.is_valid", true); err != nil || valid != false {
		t.Errorf("is_valid of a boolean: got %v, %v", valid, err)
	}
}

// Undefined would let a policy find nothing that compares a registry or a limit: with METADATA, the failure is the policy's fault.
func TestWhatIsNotValidFailsTheEvaluation(t *testing.T) {
	for _, c := range []struct {
		function string
		argument any
		want     string
	}{
		{"image.parse", "Evil.io/X y", "image.parse: the argument is not an image reference; ask image.is_valid first"},
		{"image.parse", 7, "image.parse: the argument is not an image reference; ask image.is_valid first"},
		{"quantity.parse", "1Gx", "quantity.parse: the argument is not a quantity; ask quantity.is_valid first"},
		{"quantity.parse", []any{}, "quantity.parse: the argument is not a quantity; ask quantity.is_valid first"},
	} {
		_, err := rego.New(
			rego.Query("x := "+c.function+"(input)"), rego.Input(c.argument), rego.Capabilities(language.Capabilities()), rego.StrictBuiltinErrors(true),
		).Eval(t.Context())
		if failed, ok := errors.AsType[*topdown.Error](err); !ok || failed.Message != c.want {
			t.Errorf("%s(%v): got %v, want %s", c.function, c.argument, err, c.want)
		}
	}
}

// This is for policies without METADATA, too.
func TestQuantityTooLongFailsTheEvaluation(t *testing.T) {
	if got, err := call(t, "quantity.parse", strings.Repeat("9", 5000)); err == nil {
		t.Errorf("got %v, want an error", got)
	}
	if valid, err := call(t, "quantity.is_valid", strings.Repeat("9", 5000)); err != nil || valid != false {
		t.Errorf("is_valid: got %v, %v", valid, err)
	}
}

func FuzzImageParse(f *testing.F) {
	for _, seed := range []string{"nginx", "localhost:5000/a:b", "ghcr.io/a/b:c@" + digest, "[::1]/a", "A/b", "", "\xff", "a//b", "a@b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, image string) {
		got, err := call(t, "image.parse", image)
		if err != nil {
			t.Fatal(err)
		}
		named, err := reference.ParseNormalizedNamed(image)
		if (err == nil) != (got != nil) {
			t.Fatalf("%q: got %v, the library says %v", image, got, err)
		}
		if err != nil {
			return
		}
		parts := got.(map[string]any)
		whole := parts["registry"].(string) + "/" + parts["repository"].(string)
		if tag := parts["tag"].(string); tag != "" {
			whole += ":" + tag
		}
		if digest := parts["digest"].(string); digest != "" {
			whole += "@" + digest
		}
		if whole != named.String() {
			t.Errorf("%q: got %s, the library says %s", image, whole, named)
		}
	})
}

func FuzzQuantityParse(f *testing.F) {
	for _, seed := range []string{"1", "500m", "1.5Gi", "1e3", "-2E", "9e999999999", "1e-99", "", ".", "1..2", "+.5Ki", "0e0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := call(t, "quantity.parse", text)
		if err != nil {
			if len(text) <= 4096 {
				t.Fatal(err)
			}
			return
		}
		if at := strings.LastIndexAny(text, "eE"); at >= 0 && len(text)-at > 4 {
			return // exponents of more than two digits keep the library itself busy
		}
		want, err := resource.ParseQuantity(text)
		if (err == nil) != (got != nil) {
			t.Fatalf("%q: got %v, the library says %v", text, got, err)
		}
		if err != nil {
			return
		}
		if limit := resource.MustParse("1e30"); want.Cmp(limit) > 0 {
			want = limit
		} else if limit := resource.MustParse("-1e30"); want.Cmp(limit) < 0 {
			want = limit
		}
		// The number is a quantity again, the same one.
		if again, err := resource.ParseQuantity(got.(json.Number).String()); err != nil || again.Cmp(want) != 0 {
			t.Errorf("%q: got %v, %v; the library says %s", text, got, err, want.AsDec())
		}
	})
}
