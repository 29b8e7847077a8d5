package language

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

// ExternalDataName is what the function is called by which policies written for Gatekeeper ask a Provider.
const ExternalDataName = "external_data"

// ExternalData answers the calls of external_data. It is safe for concurrent use and returns soon after ctx ends.
type ExternalData interface {
	Fetch(ctx context.Context, provider string, keys []string) ExternalAnswer
}

// ExternalAnswer is what a Provider has to say of some keys. Whatever goes wrong is an answer, too: what follows is for the policy to say.
type ExternalAnswer struct {
	Items       []ExternalItem
	StatusCode  int    // of HTTP: the Provider's, 400 if it cannot be asked so, 500 if it did not answer
	SystemError string // of all keys; else empty
}

// ExternalItem is what a Provider has to say of one key: a value, as decoded JSON with json.Number for numbers, or an error.
type ExternalItem struct {
	Key   string
	Value any
	Error string
	// Idempotent says that the Provider will say the same again. Only such a value may be put into an object.
	Idempotent bool
}

// ExternalFailure is the answer that there is none.
func ExternalFailure(status int, err error) ExternalAnswer {
	return ExternalAnswer{StatusCode: status, SystemError: err.Error()}
}

type externalKey struct{}

// WithExternalData has external_data answer the calls of evaluations under ctx.
func WithExternalData(ctx context.Context, data ExternalData) context.Context {
	return context.WithValue(ctx, externalKey{}, data)
}

// ExternalDataOf returns who answers under ctx; nil if nobody does.
func ExternalDataOf(ctx context.Context) ExternalData {
	data, _ := ctx.Value(externalKey{}).(ExternalData)
	return data
}

var errNobody = errors.New("no Provider is configured")

func externalFunction() *rego.Function {
	return &rego.Function{
		Name: ExternalDataName, Description: "Asks a Provider for what it knows of keys.",
		Decl: types.NewFunction(types.Args(types.A), types.A), Nondeterministic: true,
	}
}

func externalDeclaration() *ast.Builtin {
	f := externalFunction()
	return &ast.Builtin{Name: f.Name, Description: f.Description, Decl: f.Decl, Nondeterministic: true}
}

// callExternal never fails: undefined would let pass what nobody looked at.
func callExternal(bctx rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
	provider, keys, err := externalRequest(operand.Value)
	if err != nil {
		return externalTerm(ExternalFailure(http.StatusBadRequest, err))
	}
	data := ExternalDataOf(bctx.Context)
	if data == nil {
		return externalTerm(ExternalFailure(http.StatusBadRequest, errNobody))
	}
	return externalTerm(data.Fetch(bctx.Context, provider, keys))
}

func externalRequest(value ast.Value) (provider string, keys []string, err error) {
	object, ok := value.(ast.Object)
	if !ok {
		return "", nil, fmt.Errorf("%s takes an object with provider and keys, not %s", ExternalDataName, ast.ValueName(value))
	}
	if name := object.Get(ast.InternedTerm("provider")); name != nil {
		provider = stringOf(name)
	}
	if provider == "" {
		return "", nil, fmt.Errorf("%s takes the name of a Provider under provider", ExternalDataName)
	}
	given := object.Get(ast.InternedTerm("keys"))
	if given == nil {
		return provider, nil, nil
	}
	add := func(term *ast.Term) error {
		key, ok := term.Value.(ast.String)
		if !ok {
			return fmt.Errorf("%s takes texts for keys, not %s", ExternalDataName, ast.ValueName(term.Value))
		}
		keys = append(keys, string(key))
		return nil
	}
	switch list := given.Value.(type) {
	case *ast.Array:
		err = list.Iter(add)
	case ast.Set:
		err = list.Iter(add)
	default:
		err = fmt.Errorf("%s takes a list of keys, not %s", ExternalDataName, ast.ValueName(list))
	}
	return provider, keys, err
}

// externalTerm spells an answer as templates read it.
func externalTerm(answer ExternalAnswer) (*ast.Term, error) {
	responses, faulty := []any{}, []any{}
	for _, item := range answer.Items {
		if item.Error != "" {
			faulty = append(faulty, []any{item.Key, item.Error})
		} else {
			responses = append(responses, []any{item.Key, item.Value})
		}
	}
	value, err := ast.InterfaceToValue(map[string]any{
		"responses": responses, "errors": faulty, "status_code": json.Number(fmt.Sprint(answer.StatusCode)), "system_error": answer.SystemError,
	})
	return ast.NewTerm(value), err
}
