package language

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// established are the functions that are forbidden to policies of our own and not to those written for Gatekeeper, which may count on them:
// they neither reach out of the process nor read what it stands on. What they could take out of proportion is held by limits.
var established = []string{
	"bits.lsh", "crypto.parse_private_keys", "crypto.x509.parse_keypair", "crypto.x509.parse_rsa_private_key", "graph.reachable_paths",
	"graphql.is_valid", "graphql.parse", "graphql.parse_and_verify", "graphql.parse_query", "graphql.parse_schema", "graphql.schema_is_valid",
	"io.jwt.encode_sign", "io.jwt.encode_sign_raw", "net.cidr_expand", "providers.aws.sign_req", "rand.intn", "regex.globs_match",
	"rego.parse_module", "strings.render_template", "uuid.rfc4122",
}

// GatekeeperCapabilities is what a policy written for Gatekeeper may use: all that OPA has, deprecated functions included, but for those that
// reach out of the process or read what it stands on. It may call external_data, the one way out, which package policies lets nobody call
// where no Provider is configured.
func GatekeeperCapabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.Builtins = slices.DeleteFunc(all.Builtins, func(b *ast.Builtin) bool { return !allowed[b.Name] && !slices.Contains(established, b.Name) })
	all.Builtins = append(all.Builtins, externalDeclaration())
	// Not nil: to OPA nil means that schemas may be fetched from any host, and empty that they may be from none.
	all.AllowNet = []string{}
	return all
}

const (
	// maxShift is by how many bits a number may be shifted to the left: that makes it 3,000 digits longer.
	maxShift = 10_000
	// maxHostBits is how many bits of an address a block that is expanded may leave open: within maxElements.
	maxHostBits = 16
	// maxEdges is how many edges a graph may have of which all paths are listed: their number doubles with every other edge.
	maxEdges = 30
	// maxSource is how long, in bytes, a text may be that is parsed by what takes more time than the text is long.
	maxSource = 64 << 10
	// maxStars is how many repetitions two patterns may have that are compared: each may double the work.
	maxStars = 20
)

var (
	errShift    = fmt.Errorf("a number is shifted by more than %d bits", maxShift)
	errBlock    = fmt.Errorf("the block leaves more than %d bits open", maxHostBits)
	errEdges    = fmt.Errorf("the graph has more than %d edges", maxEdges)
	errSource   = fmt.Errorf("the text is longer than %d KiB", maxSource>>10)
	errStars    = fmt.Errorf("the patterns have more than %d repetitions", maxStars)
	errTemplate = errors.New("a template that includes another is not rendered")
)

func shifted(ctx topdown.BuiltinContext, operands []*ast.Term) error {
	if err := powers(ctx, operands); err != nil {
		return err
	}
	by, err := builtins.BigIntOperand(operands[1].Value, 2)
	if err == nil && by.Cmp(big.NewInt(maxShift)) > 0 {
		return errShift
	}
	return nil
}

func block(_ topdown.BuiltinContext, operands []*ast.Term) error {
	address, bits, _ := strings.Cut(stringOf(operands[0]), "/")
	length := 32
	if strings.Contains(address, ":") {
		length = 128
	}
	var prefix int
	if _, err := fmt.Sscanf(bits, "%d", &prefix); err == nil && length-prefix > maxHostBits {
		return errBlock
	}
	return nil
}

func paths(_ topdown.BuiltinContext, operands []*ast.Term) error {
	graph, ok := operands[0].Value.(ast.Object)
	if !ok {
		return nil
	}
	edges := 0
	graph.Foreach(func(_, to *ast.Term) {
		if v, ok := to.Value.(interface{ Len() int }); ok {
			edges += v.Len()
		}
	})
	if edges > maxEdges {
		return errEdges
	}
	return nil
}

func source(_ topdown.BuiltinContext, operands []*ast.Term) error {
	for _, operand := range operands {
		if len(stringOf(operand)) > maxSource {
			return errSource
		}
	}
	return nil
}

func patterns(ctx topdown.BuiltinContext, operands []*ast.Term) error {
	stars := 0
	for _, operand := range operands {
		stars += strings.Count(stringOf(operand), "*") + strings.Count(stringOf(operand), "+")
	}
	if stars > maxStars {
		return errStars
	}
	return source(ctx, operands)
}

// rendered bounds what the loops of a template repeat: each as often as the variables have parts, and in it every action prints no more
// than all of them, or what its format pads.
func rendered(_ topdown.BuiltinContext, operands []*ast.Term) error {
	const maxPadding = 1_000_000 // fmt ignores more
	text := stringOf(operands[0])
	for _, word := range []string{"define", "block", "template"} {
		if strings.Contains(text, word) && strings.Contains(text, "{{") {
			return errTemplate
		}
	}
	var variables extent
	if err := variables.measure(operands[1], 1, maxSteps); err != nil {
		return err
	}
	printed := operands[1].Value.String()
	paddings := strings.Count(text, "printf") * (strings.Count(text, "%") + strings.Count(printed, "%"))
	length := len(text) + strings.Count(text, "{{")*len(printed) + paddings*maxPadding
	for range strings.Count(text, "range") {
		if err := within(length); err != nil {
			return err
		}
		length *= variables.terms
	}
	return within(length)
}
