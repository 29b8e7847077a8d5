package language

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// maxQuantityLength bounds the work of one call: long numbers cost quadratic time. No quantity in use passes 40 characters.
	maxQuantityLength = 4096
	// maxExponent keeps 1e999999999 from becoming a number of a billion digits. With at most maxQuantityLength digits before
	// it, an exponent beyond twice that length is beyond maxMagnitude, or below the billionth Kubernetes rounds up to.
	maxExponent = 2 * maxQuantityLength
	// maxMagnitude is where amounts are cut off, as a power of ten. Int64 bytes end at 10^19; the room above it is for sums.
	maxMagnitude = 30
)

var quantityArgument = types.Named("quantity", types.NewAny(types.N, types.S)).Description("quantity as Kubernetes spells it, for example 500m or 1.5Gi")

var quantityParse = addition{
	name: "quantity.parse",
	description: "Parses a Kubernetes quantity to the exact number it means, in whole units: 500m is 0.5 and 1Ki is 1024. " +
		"As in Kubernetes, nothing is finer than a billionth; amounts beyond 10^30 are taken as 10^30. " +
		"It fails when the quantity is not valid; ask quantity.is_valid first.",
	argument: quantityArgument,
	result:   types.Named("amount", types.N).Description("the amount"),
	call: func(_ rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
		amount, ok, err := parseQuantity(operand)
		if err != nil {
			return nil, err
		}
		if !ok { // undefined would let an amount pass that nobody compared
			return nil, errNoQuantity
		}
		return ast.NumberTerm(json.Number(amount)), nil
	},
}

// errNoQuantity quotes nothing of the review: it may reach whoever made the request.
var errNoQuantity = errors.New("the argument is not a quantity; ask quantity.is_valid first")

var quantityIsValid = addition{
	name:        "quantity.is_valid",
	description: "Tells whether a value is a Kubernetes quantity quantity.parse can read.",
	argument:    types.Named("quantity", types.A).Description("any value"),
	result:      types.Named("result", types.B).Description("true for a valid quantity"),
	call: func(_ rego.BuiltinContext, operand *ast.Term) (*ast.Term, error) {
		_, ok, err := parseQuantity(operand)
		return ast.InternedTerm(ok && err == nil), nil
	},
}

// parseQuantity returns the amount as a JSON number without an exponent; not ok means that the operand is no quantity. It errs, which
// halts every evaluation, on what it refuses to work on.
func parseQuantity(operand *ast.Term) (amount string, ok bool, err error) {
	var text string
	switch v := operand.Value.(type) {
	case ast.String:
		text = string(v)
	case ast.Number:
		text = string(v)
	default:
		return "", false, nil
	}
	if len(text) > maxQuantityLength {
		return "", false, rego.NewHaltError(fmt.Errorf("the quantity is longer than %d characters", maxQuantityLength))
	}
	parsed, err := resource.ParseQuantity(tameExponent(text))
	if err != nil {
		return "", false, nil //nolint:nilerr // not a quantity, which is for the caller to judge
	}
	return plain(parsed), true, nil
}

// tameExponent brings the exponent of 12e999999999 within maxExponent, which changes no result but bounds the work.
func tameExponent(text string) string {
	at := strings.LastIndexAny(text, "eE") + 1
	exponent, err := strconv.ParseInt(text[at:], 10, 64)
	if at == 0 || (err != nil && !errors.Is(err, strconv.ErrRange)) {
		return text // without an exponent, or not a quantity, as the parser will say
	}
	// On ErrRange the value is the nearest there is, so the bounds hold for it too.
	return text[:at] + strconv.FormatInt(min(max(exponent, -maxExponent), maxExponent), 10)
}

// plain writes a quantity as a decimal number, cut off at maxMagnitude.
func plain(q resource.Quantity) string {
	dec := q.AsDec()
	digits := dec.UnscaledBig().String()
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	scale := int(dec.Scale()) // how many of the digits stand right of the point
	switch {
	case digits == "0":
		return "0"
	case len(digits)-scale > maxMagnitude:
		return sign + "1" + strings.Repeat("0", maxMagnitude)
	case scale <= 0:
		return sign + digits + strings.Repeat("0", -scale)
	case len(digits) <= scale:
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	whole, fraction := digits[:len(digits)-scale], strings.TrimRight(digits[len(digits)-scale:], "0")
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}
