package policies

import (
	"fmt"
	"strings"
	"testing"
)

// bigPod is a Pod of about 13 kB: three containers, managed fields and all.
func bigPod() string {
	var containers []string
	for i := range 3 {
		var env []string
		for j := range 20 {
			env = append(env, fmt.Sprintf(`{"name":"VARIABLE_%d","value":"a value of usual length %d"}`, j, j))
		}
		containers = append(containers, fmt.Sprintf(`{"name":"c%d","image":"registry.example.com/team/app:%d","env":[%s],
			"resources":{"limits":{"cpu":"1","memory":"1Gi"}},"securityContext":{"privileged":false}}`, i, i, strings.Join(env, ",")))
	}
	managed := strings.Repeat(`{"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{},"f:name":{}}}}}},`, 25)
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","labels":{"app":"web"},"managedFields":[%s]},"spec":{"containers":[%s]}}`,
		strings.TrimSuffix(managed, ","), strings.Join(containers, ","))
}

func benchmarkSet(b *testing.B, policies int) *Set {
	b.Helper()
	var specs []Spec
	for i := range policies {
		specs = append(specs, specOf(b, fmt.Sprintf("p%03d", i), fmt.Sprintf(
			"package p%03d\ndeny contains msg if { some c in input.request.object.spec.containers; c.securityContext.privileged; msg := c.name }", i)))
	}
	return compiled(b, specs...)
}

func BenchmarkReview(b *testing.B) {
	for _, n := range []int{1, 30} {
		b.Run(fmt.Sprintf("%d policies", n), func(b *testing.B) {
			set, req := benchmarkSet(b, n), podCreate(b, bigPod())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Review(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInput(b *testing.B) {
	set, req := benchmarkSet(b, 1), podCreate(b, bigPod())
	b.SetBytes(int64(len(req.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.inputs(req, elsewhere); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	specs := []Spec{specOf(b, "a", "package a\ndeny contains msg if { some c in input.request.object.spec.containers; msg := c.name }")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(b.Context(), specs); err != nil {
			b.Fatal(err)
		}
	}
}
