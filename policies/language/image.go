package language

import (
	"errors"

	"github.com/distribution/reference"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

var imageArgument = types.Named("reference", types.S).Description("image reference as a container names it")

var imageParse = addition{
	name: "image.parse",
	description: "Parses an image reference by the grammar of OCI distribution, with the names of Docker Hub written out: " +
		"nginx is repository library/nginx of registry docker.io. A missing tag or digest is the empty string. " +
		"It fails when the reference is not valid; ask image.is_valid first.",
	argument: imageArgument,
	result: types.Named("parts", types.NewObject([]*types.StaticProperty{
		types.NewStaticProperty("digest", types.S),
		types.NewStaticProperty("registry", types.S),
		types.NewStaticProperty("repository", types.S),
		types.NewStaticProperty("tag", types.S),
	}, nil)).Description("registry, repository, tag and digest"),
	call: func(_ rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
		parts, ok := parseImage(operand)
		if !ok { // undefined would let an image pass whose registry nobody compared
			return nil, errNoImage
		}
		return ast.ObjectTerm(
			ast.Item(ast.InternedTerm("digest"), ast.StringTerm(parts.digest)),
			ast.Item(ast.InternedTerm("registry"), ast.StringTerm(parts.registry)),
			ast.Item(ast.InternedTerm("repository"), ast.StringTerm(parts.repository)),
			ast.Item(ast.InternedTerm("tag"), ast.StringTerm(parts.tag)),
		), nil
	},
}

// errNoImage quotes nothing of the review: it may reach whoever made the request.
var errNoImage = errors.New("the argument is not an image reference; ask image.is_valid first")

var imageIsValid = addition{
	name:        "image.is_valid",
	description: "Tells whether a value is an image reference image.parse can read.",
	argument:    types.Named("reference", types.A).Description("any value"),
	result:      types.Named("result", types.B).Description("true for a valid image reference"),
	call: func(_ rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
		_, ok := parseImage(operand)
		return ast.InternedTerm(ok), nil
	},
}

// imageParts are the parts of a reference; tag and digest are empty where it has none.
type imageParts struct{ registry, repository, tag, digest string }

func parseImage(operand *ast.Term) (imageParts, bool) {
	text, ok := operand.Value.(ast.String)
	if !ok {
		return imageParts{}, false
	}
	if parts, plain := plainImage(string(text)); plain {
		return parts, true
	}
	named, err := reference.ParseNormalizedNamed(string(text))
	if err != nil {
		return imageParts{}, false
	}
	parts := imageParts{registry: reference.Domain(named), repository: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		parts.tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		parts.digest = digested.Digest().String()
	}
	return parts, true
}
