package language

import (
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/portcullis-dev/portcullis/policies/plan"
)

// addition is one function Portcullis adds to Rego; all of them take one string.
type addition struct {
	name, description string
	argument          types.Type
	result            types.Type
	call              rego.Builtin1
}

var additions = []addition{imageParse, imageIsValid, quantityParse, quantityIsValid}

func (a addition) function() *rego.Function {
	return &rego.Function{Name: a.name, Description: a.description, Decl: types.NewFunction(types.Args(a.argument), a.result)}
}

func (a addition) declaration() *ast.Builtin {
	f := a.function()
	return &ast.Builtin{Name: f.Name, Description: f.Description, Decl: f.Decl}
}

var register = sync.OnceFunc(func() {
	for _, a := range additions {
		rego.RegisterBuiltin1(a.function(), a.call)
	}
	rego.RegisterBuiltin1(externalFunction(), callExternal)
	holdLimits()
	plan.Register()
})

// Register teaches OPA the functions Portcullis adds, and the limits of those that need one. Call it before anything is compiled; calling it again does nothing.
//
// OPA keeps its functions in registries of the whole process, which are read without a lock. So this is not done in an init
// function, where the order of packages would decide, but by whoever starts the process, once, before there is a second
// goroutine.
func Register() { register() }
