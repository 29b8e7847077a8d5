package gatekeeper

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSet applies twenty mutators, one of which is about each container, to a Pod of twelve that they leave as it is, which is what
// they meet at every update, and to one that they change.
func BenchmarkSet(b *testing.B) {
	var texts []string
	for i := range 18 {
		texts = append(texts, strings.Replace(assign(fmt.Sprintf("a%d", i), fmt.Sprintf("spec.f%d.x", i), "1"), "[Thing]", fmt.Sprintf("[Other%d]", i), 1))
	}
	texts = append(texts,
		assign("pull", "spec.containers[name: *].imagePullPolicy", "Always"),
		spec("AssignMetadata", "owner", `location: metadata.labels.owner, parameters: {assign: {value: ops}}`),
	)
	set := setOf(b, texts...)
	containers := strings.Repeat(`{name: a, image: "r.io/a:1", env: [{name: A, value: b}, {name: B, value: c}], resources: {limits: {cpu: 1}}}, `, 12)
	fresh := thing(b, `spec: {containers: [`+containers+`]}`)
	settled := fresh.DeepCopy()
	if err := set.Mutate(b.Context(), create(), settled); err != nil {
		b.Fatal(err)
	}
	b.Run("at rest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := set.Mutate(b.Context(), create(), settled); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := set.Mutate(b.Context(), create(), fresh.DeepCopy()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
