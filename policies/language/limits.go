package language

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// What a function returns is bounded by its arguments, or by these. A few bytes of a request are not to become gigabytes: evaluation has no
// budget of memory, and a deadline comes too late for one function that fills it.
const (
	// maxElements is how many elements a function may make that do not exist yet: 100,000 numbers take about 10 MiB.
	maxElements = 100_000
	// maxText is how long a text may become, in bytes: some times the largest review that is read.
	maxText = 16 << 20
	// maxPower is how large or small the exponent of a number may be. A float64's ends at 308; written out, 1e400 has 400 digits.
	maxPower = 400
	// maxSteps is how long all paths into a value may be together, in steps of a machine word each.
	maxSteps = 10_000_000
)

var (
	errElements = fmt.Errorf("the result would have more than %d elements", maxElements)
	errText     = fmt.Errorf("the result would be longer than %d MiB", maxText>>20)
	errPower    = fmt.Errorf("a number's exponent is beyond %d", maxPower)
	errSteps    = errors.New("the value is too large and too deep")
)

// limit looks at the arguments of a call and returns an error if the result may be too large.
type limit func(topdown.BuiltinContext, []*ast.Term) error

// limits are the functions whose result can be out of proportion to their arguments, and what holds them.
var limits = map[string]limit{
	"abs": powers, "bits.and": powers, "bits.negate": powers, "bits.or": powers, "bits.rsh": powers, "bits.xor": powers, "ceil": powers,
	"div": powers, "floor": powers, "format_int": powers, "minus": powers, "mul": powers, "plus": powers, "product": powers, "rem": powers,
	"round": powers, "sum": powers, "units.parse": powers, "units.parse_bytes": powers,

	"numbers.range": ranges, "numbers.range_step": ranges,
	"net.cidr_contains_matches": pairs, "regex.find_all_string_submatch_n": submatches,

	"concat": joined, "regex.replace": expanded, "replace": replaced, "sprintf": formatted, "strings.replace_n": replacedAll,
	"json.marshal_with_options": indented, "yaml.marshal": indented,

	"yaml.is_valid": aliased, "yaml.unmarshal": aliased,
	"json.patch": copied, "walk": walked,

	// Of those that only policies written for Gatekeeper may call.
	"bits.lsh": shifted, "graph.reachable_paths": paths, "net.cidr_expand": block, "regex.globs_match": patterns,
	"strings.render_template":   rendered,
	"crypto.parse_private_keys": source,
	"crypto.x509.parse_keypair": source, "crypto.x509.parse_rsa_private_key": source,
	"graphql.is_valid": source, "graphql.parse": source, "graphql.parse_and_verify": source, "graphql.parse_query": source,
	"graphql.parse_schema": source, "graphql.schema_is_valid": source,
	"io.jwt.encode_sign_raw": source, "rego.parse_module": source,
}

// holdLimits puts the limits before the functions in OPA's registry.
func holdLimits() {
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		check, call, arity := limits[name], topdown.GetBuiltin(name), ast.BuiltinMap[name].Decl.Arity()
		topdown.RegisterBuiltinFunc(name, func(ctx topdown.BuiltinContext, operands []*ast.Term, each func(*ast.Term) error) error {
			// To go beyond a limit ends the evaluation: undefined would let pass what nobody looked at.
			if err := check(ctx, operands[:arity]); err != nil { // behind them is what the result goes into
				return topdown.Halt{Err: fmt.Errorf("%s: %w", name, err)}
			}
			return call(ctx, operands, each)
		})
	}
}

// powers bounds the exponents of numbers, of texts that are read as numbers and of those in a collection: results are written out.
func powers(_ topdown.BuiltinContext, operands []*ast.Term) (err error) {
	for _, operand := range operands {
		switch v := operand.Value.(type) {
		case ast.Set:
			err = v.Iter(power)
		case *ast.Array:
			err = v.Iter(power)
		default:
			err = power(operand)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func power(operand *ast.Term) error {
	text := stringOf(operand)
	if n, ok := operand.Value.(ast.Number); ok {
		text = string(n)
	}
	for {
		at := strings.IndexAny(text, "eE")
		if at < 0 {
			return nil
		}
		text = text[at+1:]
		digits := strings.TrimLeft(text, "+-")
		end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			digits = digits[:end]
		}
		if n, err := strconv.Atoi(digits); errors.Is(err, strconv.ErrRange) || n > maxPower {
			return errPower
		}
	}
}

// stringOf is the text of a term, empty if it is none: such a call fails by itself.
func stringOf(t *ast.Term) string {
	s, _ := t.Value.(ast.String)
	return string(s)
}

func ranges(ctx topdown.BuiltinContext, operands []*ast.Term) error {
	if err := powers(ctx, operands); err != nil {
		return err
	}
	bounds := make([]*big.Int, 0, 3)
	for i, operand := range operands {
		n, err := builtins.BigIntOperand(operand.Value, i+1)
		if err != nil {
			return nil //nolint:nilerr // the call fails by itself
		}
		bounds = append(bounds, n)
	}
	count := new(big.Int).Sub(bounds[1], bounds[0])
	count.Abs(count)
	if len(bounds) == 3 && bounds[2].Sign() > 0 {
		count.Div(count, bounds[2])
	}
	if count.Cmp(big.NewInt(maxElements-1)) > 0 {
		return errElements
	}
	return nil
}

func pairs(_ topdown.BuiltinContext, operands []*ast.Term) error {
	count := 1
	for _, operand := range operands[:2] {
		if v, ok := operand.Value.(interface{ Len() int }); ok && stringOf(operand) == "" {
			count *= v.Len()
		}
	}
	if count > maxElements {
		return errElements
	}
	return nil
}

func submatches(_ topdown.BuiltinContext, operands []*ast.Term) error {
	pattern, text := stringOf(operands[0]), stringOf(operands[1])
	// Each match has as many elements as the pattern has groups, of which a parenthesis begins each.
	groups := 1 + strings.Count(pattern, "(")
	if groups == 1 || groups*(len(text)+1) <= maxElements {
		return nil
	}
	if groups*matches(pattern, text) > maxElements {
		return errElements
	}
	return nil
}

// matches counts the matches of a pattern; one that is no pattern has none.
func matches(pattern, text string) int {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return 0
	}
	return len(re.FindAllStringIndex(text, -1))
}

// within returns an error for a text that would be longer than texts may become.
func within(length int) error {
	if length > maxText {
		return errText
	}
	return nil
}

func joined(_ topdown.BuiltinContext, operands []*ast.Term) error {
	if v, ok := operands[1].Value.(interface{ Len() int }); ok {
		return within(len(stringOf(operands[0])) * v.Len()) // the rest is there already
	}
	return nil
}

func replaced(_ topdown.BuiltinContext, operands []*ast.Term) error {
	text, old, by := stringOf(operands[0]), stringOf(operands[1]), stringOf(operands[2])
	if len(by) <= len(old) {
		return nil
	}
	return within(len(text) + strings.Count(text, old)*len(by))
}

func replacedAll(ctx topdown.BuiltinContext, operands []*ast.Term) error {
	patterns, ok := operands[0].Value.(ast.Object)
	if !ok {
		return nil
	}
	text := stringOf(operands[1])
	length := len(text)
	return patterns.Iter(func(old, by *ast.Term) error {
		if ctx.Cancel != nil && ctx.Cancel.Cancelled() {
			return errText
		}
		length += strings.Count(text, stringOf(old)) * len(stringOf(by))
		return within(length)
	})
}

func expanded(_ topdown.BuiltinContext, operands []*ast.Term) error {
	text, pattern, by := stringOf(operands[0]), stringOf(operands[1]), stringOf(operands[2])
	// Matches do not overlap: each dollar sign repeats the text once at most, whatever their number.
	repeated := len(text) * (1 + strings.Count(by, "$"))
	if repeated+(len(text)+1)*len(by) <= maxText {
		return nil
	}
	return within(repeated + matches(pattern, text)*len(by))
}

// formatted bounds the padding of a format, and what it prints more than once.
func formatted(_ topdown.BuiltinContext, operands []*ast.Term) error {
	format := stringOf(operands[0])
	args, ok := operands[1].Value.(*ast.Array)
	if !ok {
		return nil
	}
	const maxPadding = 1_000_000 // fmt ignores more
	length, verbs, indexed := len(format), 0, false
	for {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			break
		}
		format = format[at+1:]
		verbs++
		end := strings.IndexFunc(format, func(r rune) bool { return !strings.ContainsRune("+-# .*[]0123456789", r) })
		if end < 0 {
			end = len(format)
		}
		length += strings.Count(format[:end], "*") * maxPadding
		for number := range strings.FieldsFuncSeq(format[:end], func(r rune) bool { return r < '0' || r > '9' }) {
			if n, err := strconv.Atoi(number); err == nil {
				length += min(n, maxPadding)
			}
		}
		indexed = indexed || strings.Contains(format[:end], "[")
		if format = format[end:]; strings.HasPrefix(format, "%") {
			format = format[1:] // "%%" prints itself
		}
		if length > maxText {
			return errText
		}
	}
	if !indexed || verbs < 2 {
		return within(length)
	}
	longest := 0
	args.Foreach(func(arg *ast.Term) { longest = max(longest, len(arg.Value.String())) })
	const spelt = 5 // "% #x" prints a byte as "0x61 "
	return within(length + verbs*longest*spelt)
}

// extent is how many terms a value has, and how deep they lie.
type extent struct{ terms, depth int }

// measure adds what lies in a value at a depth. It returns an error, and stops, when all paths together may be longer than limit.
func (e *extent) measure(t *ast.Term, depth, limit int) error {
	e.terms++
	if e.depth = max(e.depth, depth); e.terms*e.depth > limit {
		return errSteps
	}
	within := func(x *ast.Term) error { return e.measure(x, depth+1, limit) }
	switch v := t.Value.(type) {
	case *ast.Array:
		return v.Iter(within)
	case ast.Set:
		return v.Iter(within)
	case ast.Object:
		return v.Iter(func(_, value *ast.Term) error { return within(value) })
	default:
		return nil
	}
}

func walked(_ topdown.BuiltinContext, operands []*ast.Term) error {
	return new(extent).measure(operands[0], 1, maxSteps)
}

// indented bounds the indentation, which grows with the depth of each line.
func indented(_ topdown.BuiltinContext, operands []*ast.Term) error {
	width := 2 // that of YAML
	if len(operands) > 1 {
		if options, ok := operands[1].Value.(ast.Object); ok {
			for _, name := range []string{"indent", "prefix"} {
				if text := options.Get(ast.StringTerm(name)); text != nil {
					width += len(stringOf(text))
				}
			}
		}
	}
	// An object's or array's end has a line, too.
	if new(extent).measure(operands[0], 1, maxText/2/width) != nil {
		return errText
	}
	return nil
}

// copied bounds the copies in a patch: each may double what is there.
func copied(_ topdown.BuiltinContext, operands []*ast.Term) error {
	patches, ok := operands[1].Value.(*ast.Array)
	if !ok {
		return nil
	}
	copies := 0
	patches.Foreach(func(patch *ast.Term) {
		if o, ok := patch.Value.(ast.Object); ok {
			if op := o.Get(ast.InternedTerm("op")); op != nil && stringOf(op) == "copy" {
				copies++
			}
		}
	})
	if copies == 0 {
		return nil
	}
	var all extent
	for _, operand := range operands[:2] {
		if err := all.measure(operand, 1, maxSteps); err != nil {
			return err
		}
	}
	if copies > 20 || all.terms<<copies > 10*maxElements {
		return errSteps
	}
	return nil
}

// aliased bounds what the aliases of a YAML text stand for: each may double what is there. What only looks like an alias counts, too.
func aliased(_ topdown.BuiltinContext, operands []*ast.Term) error {
	text := stringOf(operands[0])
	if !strings.Contains(text, "&") || !strings.Contains(text, "*") {
		return nil
	}
	anchors := map[string]bool{}
	for name := range marked(text, '&') {
		anchors[name] = true
	}
	length := len(text)
	for name := range marked(text, '*') {
		if anchors[name] {
			length *= 2
		}
		if err := within(length); err != nil {
			return err
		}
	}
	return nil
}

// marked yields the names that stand behind a mark, spelt as YAML's anchors are.
func marked(text string, mark byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			at := strings.IndexByte(text, mark)
			if at < 0 {
				return
			}
			text = text[at+1:]
			end := strings.IndexFunc(text, func(r rune) bool {
				return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
			})
			if end < 0 {
				end = len(text)
			}
			if end > 0 && !yield(text[:end]) {
				return
			}
		}
	}
}
