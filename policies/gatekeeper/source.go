package gatekeeper

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// The engines a template's code may be for.
const (
	regoEngine = "Rego"
	celEngine  = "K8sNativeValidation"
)

// source is the Rego of a template, and where in it the texts are.
type source struct {
	rego    string
	libs    []string
	version ast.RegoVersion
	at      []string // of the map that has rego and libs

	note     string
	notePath []string
}

// sourceOf chooses the Rego of a target: what is under rego and libs stands before code, and is of version 0.
func sourceOf(from targetObject) (source, error) {
	here := []string{"spec", "targets", "0"}
	if from.Rego != "" {
		return source{rego: from.Rego, libs: from.Libs, version: ast.RegoV0, at: here}, nil
	}
	cel := false
	for i, code := range from.Code {
		at := append(here, "code", strconv.Itoa(i))
		if code.Engine == regoEngine {
			return sourceIn(code, append(at, "source"))
		}
		cel = cel || code.Engine == celEngine
	}
	switch {
	case cel:
		return source{}, under(fmt.Errorf("its only source is CEL, for the engine %s, which is not evaluated here yet; add a source for the engine %s",
			celEngine, regoEngine), append(here, "code")...)
	case len(from.Code) > 0:
		return source{}, under(fmt.Errorf("spec.targets[0].code has no source for the engine %s", regoEngine), append(here, "code")...)
	}
	return source{}, under(errors.New("it has no Rego; give spec.targets[0].rego, or code with a source for the engine Rego"), here...)
}

func sourceIn(code codeObject, at []string) (source, error) {
	var given struct {
		Rego    string   `json:"rego"`
		Version string   `json:"version"`
		Libs    []string `json:"libs"`
	}
	out := source{at: at, version: ast.RegoV0}
	if len(code.Source) > 0 {
		if err := utiljson.Unmarshal(code.Source, &given); err != nil {
			return out, under(fmt.Errorf("the source for the engine %s: %w", regoEngine, mistyped(err)), at...)
		}
	}
	if given.Rego == "" {
		return out, under(fmt.Errorf("the source for the engine %s has no rego", regoEngine), at...)
	}
	out.rego, out.libs = given.Rego, given.Libs
	switch given.Version {
	case "v1":
		out.version = ast.RegoV1
	case "", "v0":
	default:
		out.note = fmt.Sprintf("version %q of Rego is neither v0 nor v1, and is taken for v0", given.Version)
		out.notePath = append(at, "version")
	}
	return out, nil
}
