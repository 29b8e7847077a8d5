package language

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
)

// call is a call that a request can make expensive, and the limit it goes beyond, if any.
type call struct {
	expression string
	want       error
}

var beyond = []call{
	{`abs(input.huge)`, errPower},
	{`ceil(input.huge)`, errPower},
	{`floor(input.huge)`, errPower},
	{`round(input.huge)`, errPower},
	{`bits.and(input.huge, 1)`, errPower},
	{`bits.or(input.huge, 1)`, errPower},
	{`bits.xor(input.huge, 1)`, errPower},
	{`bits.rsh(input.huge, 1)`, errPower},
	{`div(input.huge, 1)`, errPower},
	{`minus(input.huge, 1)`, errPower},
	{`mul(input.huge, 1)`, errPower},
	{`plus(input.huge, 1)`, errPower},
	{`rem(input.huge, 1)`, errPower},
	{`bits.negate(input.huge)`, errPower},
	{`format_int(input.huge, 16)`, errPower},
	{`sum([1, input.huge])`, errPower},
	{`product({1, input.huge})`, errPower},
	{`units.parse("1e999999Ki")`, errPower},
	{`units.parse_bytes("1E999999Ki")`, errPower},
	{`numbers.range(1, input.huge)`, errPower},
	{`numbers.range(1, 100001)`, errElements},
	{`numbers.range(100000, -1)`, errElements},
	{`numbers.range(1, 1e18)`, errElements},
	{`numbers.range_step(1, 200001, 2)`, errElements},
	{`net.cidr_contains_matches(input.many, input.many)`, errElements},
	{`regex.find_all_string_submatch_n(input.groups, input.long, -1)`, errElements},
	{`concat(input.long, input.many)`, errText},
	{`replace(input.long, "a", input.long)`, errText},
	{`strings.replace_n({"a": input.long}, input.long)`, errText},
	{`regex.replace(input.long, "a", input.long)`, errText},
	{`regex.replace(input.long, "a+", input.dollars)`, errText},
	{`sprintf("%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d", [1])`, errText},
	{`sprintf(input.padded, [1])`, errText},
	{`sprintf(input.stars, [1000000])`, errText},
	{`sprintf(input.repeated, [input.long])`, errText},
	{`json.marshal_with_options(input.many, {"pretty": true, "indent": input.long})`, errText},
	{`yaml.marshal(input.deep)`, errText},
	{`yaml.unmarshal(input.bomb)`, errText},
	{`yaml.is_valid(input.bomb)`, errText},
	{`json.patch({"a": {}}, input.copies)`, errSteps},
	{`walk(input.deep, _)`, errSteps},
	{`bits.lsh(1, 10001)`, errShift},
	{`bits.lsh(input.huge, 1)`, errPower},
	{`net.cidr_expand("10.0.0.0/15")`, errBlock},
	{`net.cidr_expand("fd00::/64")`, errBlock},
	{`graph.reachable_paths({"a": numbers.range(1, 31)}, {"a"})`, errEdges},
	{`regex.globs_match(input.dots, "b")`, errStars},
	{`strings.render_template("{{range .a}}{{range $.a}}{{range $.a}}x{{end}}{{end}}{{end}}", {"a": input.many})`, errText},
	{`strings.render_template("{{printf .a 1}}{{range .b}}{{printf $.a 1}}{{end}}", {"a": "%999999d", "b": input.many})`, errText},
	{"strings.render_template(`{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}`, {})", errTemplate},
	{`strings.render_template("{{printf .a 1}}", {"a": input.padded})`, errText},
	{`crypto.parse_private_keys(input.source)`, errSource},
	{`crypto.x509.parse_keypair(input.source, "a")`, errSource},
	{`crypto.x509.parse_rsa_private_key(input.source)`, errSource},
	{`graphql.is_valid(input.source, "a")`, errSource},
	{`graphql.parse("a", input.source)`, errSource},
	{`graphql.parse_and_verify(input.source, "a")`, errSource},
	{`graphql.parse_query(input.source)`, errSource},
	{`graphql.parse_schema(input.source)`, errSource},
	{`graphql.schema_is_valid(input.source)`, errSource},
	{`io.jwt.encode_sign_raw("{}", input.source, "{}")`, errSource},
	{`rego.parse_module("a.rego", input.source)`, errSource},
}

// hostile is a request's worth of values, none large, that functions without limits make gigabytes of.
func hostile() map[string]any {
	var deep any = "x"
	for range 5000 {
		deep = map[string]any{"a": deep}
	}
	var copies []any
	for i := range 25 {
		copies = append(copies, map[string]any{"op": "copy", "from": "/a", "path": fmt.Sprintf("/a/%d", i)})
	}
	return map[string]any{
		"huge":     json.Number("1e20000"),
		"long":     strings.Repeat("a", 10_000),
		"many":     strings.Split(strings.Repeat("x", 5000), ""),
		"groups":   strings.Repeat("(", 50) + "a" + strings.Repeat(")", 50),
		"dollars":  strings.Repeat("$0", 5000),
		"padded":   strings.Repeat("%[1]999999d", 20),
		"stars":    strings.Repeat("%[1]*[1]d", 20),
		"repeated": strings.Repeat("%[1]s", 5000),
		"deep":     deep,
		"copies":   copies,
		"dots":     strings.Repeat("a*", 21),
		"source":   strings.Repeat("a ", 40_000),
		"bomb":     "a: &a " + strings.Repeat("x", 10_000) + "\nb: [" + strings.Repeat("*a,", 5000) + "]\n",
	}
}

func evaluated(t *testing.T, expression string, input any) (rego.ResultSet, error) {
	t.Helper()
	return rego.New(rego.Query("x = "+expression), rego.Input(input), rego.Capabilities(GatekeeperCapabilities())).Eval(t.Context())
}

func TestLimits(t *testing.T) {
	Register()
	input := hostile()
	for _, c := range beyond {
		name, _, _ := strings.Cut(c.expression, "(")
		_, err := evaluated(t, strings.ReplaceAll(c.expression, "walk(input.deep, _)", "[p | walk(input.deep, p)]"), input)
		if !errors.Is(err, c.want) || err.Error() != name+": "+c.want.Error() {
			t.Errorf("%s: %v, want %v", c.expression, err, c.want)
		}
	}
}

// What policies do every day is within the limits, and means what it did.
func TestWithinLimits(t *testing.T) {
	Register()
	input := hostile()
	for expression, want := range map[string]string{
		`count(numbers.range(1, 100000))`:                                         "100000",
		`numbers.range_step(0, 10, 5)`:                                            "[0 5 10]",
		`1e400 + 1 > 1e399`:                                                       "true",
		`sum([1, 2.5])`:                                                           "3.5",
		`{1, 2} - {2}`:                                                            "[1]",
		`units.parse("1.5Ei")`:                                                    "1729382256910270464",
		`units.parse_bytes("1E")`:                                                 "1000000000000000000",
		`sprintf("%5.1f|%-4s|%[1]v|%d%%", [1.5, "a"])`:                            "  1.5|a   |1.5|%!d(string=a)%",
		`count(sprintf("%s", [input.long]))`:                                      "10000",
		`replace("a.b", ".", "-")`:                                                "a-b",
		`count(replace(input.long, "a", "bbbb"))`:                                 "40000",
		`strings.replace_n({"<": "&lt;"}, "<b")`:                                  "&lt;b",
		`regex.replace("a-b", "(a)-(b)", "$2-$1")`:                                "b-a",
		`count(regex.replace(input.long, "a", "bbbb"))`:                           "40000",
		`concat(", ", ["a", "b"])`:                                                "a, b",
		`regex.find_all_string_submatch_n("a(b)", "abab", -1)`:                    "[[ab b] [ab b]]",
		`net.cidr_contains_matches("10.0.0.0/8", ["10.0.0.1", "11.0.0.1"])`:       "[[10.0.0.0/8 0]]",
		`yaml.unmarshal("a: &a [1]\nb: *a\nc: '*'")`:                              "map[a:[1] b:[1] c:*]",
		`yaml.is_valid("a: &a [1]\nb: *nothing")`:                                 "false",
		`yaml.marshal({"a": [1]})`:                                                "a:\n  - 1\n",
		`json.patch({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}])`:      "map[a:1 b:1]",
		`count([p | walk(input.copies, p)])`:                                      "101",
		`json.marshal_with_options({"a": 1}, {"pretty": true, "indent": "    "})`: "{\n    \"a\": 1\n}",
	} {
		results, err := evaluated(t, expression, input)
		if err != nil || len(results) != 1 || fmt.Sprint(results[0].Bindings["x"]) != want {
			t.Errorf("%s: %v %v, want %s", expression, results, err, want)
		}
	}
}
