package language

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
	"pgregory.net/rapid"
)

// TestPlainImages holds what is parsed without the library to what the library makes of it.
func TestPlainImages(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	pieces := []string{
		"a", "b1", "0", ".", "-", "_", "--", "__", "/", "//", ":", "@", "A", "localhost", "docker.io", "index.docker.io", "registry.example.com", ":5000", ":v1", ":latest",
		":1.2_3-4", ":.", ":-", "@" + digest, digest, strings.ToUpper(digest), digest[:70], digest + "0", "sha512:", "é", " ", "\n", "[::1]", "*", "a/b", "shop/app", strings.Repeat("a", 128),
	}
	plain := 0
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 7).Draw(t, "pieces"), "")
		if rapid.Bool().Draw(t, "as most are") {
			text = "registry.example.com/" + text
		}
		parts, ok := plainImage(text)
		if !ok {
			return
		}
		plain++
		named, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			t.Fatalf("%q is no reference: %v", text, err)
		}
		want := imageParts{registry: reference.Domain(named), repository: reference.Path(named)}
		if tagged, ok := named.(reference.Tagged); ok {
			want.tag = tagged.Tag()
		}
		if digested, ok := named.(reference.Digested); ok {
			want.digest = digested.Digest().String()
		}
		if parts != want {
			t.Fatalf("%q is %+v, and not %+v", text, want, parts)
		}
	})
	if plain == 0 {
		t.Error("none was plain; the generator is at fault")
	}
	for _, text := range []string{"registry.example.com/shop/app:1.4@" + digest, "registry.example.com:5000/a", "ghcr.io/a-b/c_d/e.f:latest"} {
		if _, ok := plainImage(text); !ok {
			t.Errorf("%s is left to the library", text)
		}
	}
}
