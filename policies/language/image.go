package language

import (
	"errors"

	"github.com/distribution/reference"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
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
	call: func(in rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
		named, ok := parseImage(in.Cache, operand)
		if !ok { // undefined would let an image pass whose registry nobody compared
			return nil, errNoImage
		}
		var tag, digest string
		if tagged, ok := named.(reference.Tagged); ok {
			tag = tagged.Tag()
		}
		if digested, ok := named.(reference.Digested); ok {
			digest = digested.Digest().String()
		}
		return ast.ObjectTerm(
			ast.Item(ast.InternedTerm("digest"), ast.StringTerm(digest)),
			ast.Item(ast.InternedTerm("registry"), ast.StringTerm(reference.Domain(named))),
			ast.Item(ast.InternedTerm("repository"), ast.StringTerm(reference.Path(named))),
			ast.Item(ast.InternedTerm("tag"), ast.StringTerm(tag)),
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
	call: func(in rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
		_, ok := parseImage(in.Cache, operand)
		return ast.InternedTerm(ok), nil
	},
}

// imageText is the key of an image that was parsed in the same evaluation.
type imageText string

// parseImage parses each image once in an evaluation: whoever asks for the parts of one has asked before whether it has any.
func parseImage(cache builtins.Cache, operand *ast.Term) (reference.Named, bool) {
	text, ok := operand.Value.(ast.String)
	if !ok {
		return nil, false
	}
	if known, ok := cache.Get(imageText(text)); ok {
		named, valid := known.(reference.Named)
		return named, valid
	}
	named, err := reference.ParseNormalizedNamed(string(text))
	if err != nil {
		named = nil
	}
	if cache != nil { // as where a call is worked out when its policy is compiled
		cache.Put(imageText(text), named)
	}
	return named, err == nil
}
