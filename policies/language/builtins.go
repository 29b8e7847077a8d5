package language

// This file is the judgement on every built-in function of OPA: each is in exactly one of the two tables. A test holds them
// against the OPA we build with, so a function that arrives with an upgrade must be judged before a policy can call it.

// forbidden says why a function is missing. Each reason completes the sentence "NAME is not available to policies: ...".
var forbidden = map[string]string{
	// They reach out of the process.
	"http.send":              "a policy reaches nothing outside the server",
	"net.lookup_ip_addr":     "a policy reaches nothing outside the server",
	"providers.aws.sign_req": "a policy reaches nothing outside the server and holds no credentials",

	// They read what the process stands on. A $ref of a schema may name any file of the server, whatever hosts are allowed.
	"opa.runtime":        "a policy does not read the server's environment and configuration",
	"json.match_schema":  "a schema can refer to files of the server; write the check as rules",
	"json.verify_schema": "a schema can refer to files of the server",

	// They hold private keys, and checking a key of unbounded size takes unbounded time.
	"io.jwt.encode_sign":                "a policy holds no signing keys",
	"io.jwt.encode_sign_raw":            "a policy holds no signing keys",
	"crypto.parse_private_keys":         "private keys do not belong in a policy",
	"crypto.x509.parse_keypair":         "private keys do not belong in a policy",
	"crypto.x509.parse_rsa_private_key": "private keys do not belong in a policy",

	// They do not stop at the deadline: evaluation is cancelled between calls, and within a few functions that look for it.
	"bits.lsh":                 "a large shift takes unbounded memory; multiply instead",
	"net.cidr_expand":          "a block may have more addresses than there is memory; net.cidr_contains is available",
	"graph.reachable_paths":    "it takes unbounded time on dense graphs; graph.reachable is available",
	"graphql.is_valid":         "parsing GraphQL takes unbounded time",
	"graphql.parse":            "parsing GraphQL takes unbounded time",
	"graphql.parse_and_verify": "parsing GraphQL takes unbounded time",
	"graphql.parse_query":      "parsing GraphQL takes unbounded time",
	"graphql.parse_schema":     "parsing GraphQL takes unbounded time",
	"graphql.schema_is_valid":  "parsing GraphQL takes unbounded time",
	"regex.globs_match":        "it takes unbounded time on some patterns; regex.match is available",
	"rego.parse_module":        "a policy is compiled when it is loaded, not while a request waits",
	"strings.render_template":  "loops in a template do not stop at the deadline; sprintf is available",

	// They answer differently each time, so a mutation applied twice would change the object again.
	"rand.intn":    "the same request must get the same answer",
	"uuid.rfc4122": "the same request must get the same answer",
}

// allowed holds the names of the families below, for Capabilities.
var allowed = func() map[string]bool {
	names := map[string]bool{}
	for _, f := range families {
		for _, name := range f.names {
			names[name] = true
		}
	}
	return names
}()

// families are the functions a policy may call, with the reason they are harmless, and why what they return is in proportion to what
// they are given. Where it would not be, an entry in limits holds it.
var families = []struct {
	because, bounded string
	names            []string
}{
	{
		"the language itself: operators, unification, membership, template strings, the marks of tests",
		"a truth, a set of elements that exist, a text of its parts each once, or a number about as long as its operands with their exponents limited",
		[]string{
			"and", "assign", "div", "eq", "equal", "gt", "gte", "internal.member_2", "internal.member_3", "internal.print",
			"internal.template_string", "internal.test_case", "lt", "lte", "minus", "mul", "neq", "or", "plus", "rem",
		},
	},
	{
		"they add to the output of tests and to traces; a server does not show it",
		"nothing is returned, and without a reader nothing is written",
		[]string{"print", "trace"},
	},
	{
		"arithmetic on numbers that exist already",
		"a number about as long as its operands, with their exponents limited; ranges are limited in length",
		[]string{
			"abs", "bits.and", "bits.negate", "bits.or", "bits.rsh", "bits.xor", "ceil", "floor", "format_int", "numbers.range",
			"numbers.range_step", "round", "to_number",
		},
	},
	{
		"work in proportion to a collection that exists already",
		"elements that exist already, each once, numbers with their exponents limited, or paths of limited length; copies in a patch are limited",
		[]string{
			"array.concat", "array.flatten", "array.reverse", "array.slice", "count", "graph.reachable", "intersection", "json.filter",
			"json.patch", "json.remove", "max", "min", "object.filter", "object.get", "object.keys", "object.remove",
			"object.subset", "object.union", "object.union_n", "product", "sort", "sum", "union", "walk",
		},
	},
	{
		"the type of a value",
		"a truth or a word",
		[]string{
			"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name",
		},
	},
	{
		"work in proportion to a text; the regular expressions are RE2, hence linear, and the growing ones look for the deadline",
		"a truth, a number, positions or parts of the text; what repeats or pads a text is limited in length",
		[]string{
			"concat", "contains", "endswith", "glob.match", "glob.quote_meta", "indexof", "indexof_n", "lower",
			"regex.find_all_string_submatch_n", "regex.find_n", "regex.is_valid", "regex.match", "regex.replace", "regex.split",
			"regex.template_match", "replace", "split", "sprintf", "startswith", "strings.any_prefix_match",
			"strings.any_suffix_match", "strings.count", "strings.replace_n", "strings.reverse", "strings.split_n", "substring", "trim",
			"trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix", "upper",
		},
	},
	{
		"encodings, in proportion to the text",
		"at most a few bytes for each of the text; indentation, exponents and what aliases stand for are limited",
		[]string{
			"base64.decode", "base64.encode", "base64.is_valid", "base64url.decode", "base64url.encode",
			"base64url.encode_no_pad", "hex.decode", "hex.encode", "json.is_valid", "json.marshal", "json.marshal_with_options",
			"json.unmarshal", "semver.compare", "semver.is_valid", "units.parse", "units.parse_bytes", "uri.is_valid", "uri.parse",
			"urlquery.decode", "urlquery.decode_object", "urlquery.encode", "urlquery.encode_object", "uuid.parse",
			"yaml.is_valid", "yaml.marshal", "yaml.unmarshal",
		},
	},
	{
		"hashes, and certificates and tokens checked with public keys the policy is given; nothing is fetched",
		"a truth, a digest, or what the text of a certificate or token holds",
		[]string{
			"crypto.hmac.equal", "crypto.hmac.md5", "crypto.hmac.sha1", "crypto.hmac.sha256", "crypto.hmac.sha512", "crypto.md5",
			"crypto.sha1", "crypto.sha256", "crypto.x509.parse_and_verify_certificates",
			"crypto.x509.parse_and_verify_certificates_with_options", "crypto.x509.parse_certificate_request",
			"crypto.x509.parse_certificates", "io.jwt.decode", "io.jwt.decode_verify", "io.jwt.verify_eddsa",
			"io.jwt.verify_es256", "io.jwt.verify_es384", "io.jwt.verify_es512", "io.jwt.verify_hs256", "io.jwt.verify_hs384",
			"io.jwt.verify_hs512", "io.jwt.verify_ps256", "io.jwt.verify_ps384", "io.jwt.verify_ps512", "io.jwt.verify_rs256",
			"io.jwt.verify_rs384", "io.jwt.verify_rs512",
		},
	},
	{
		"addresses as numbers",
		"a truth, no more blocks than were given, or a limited number of pairs",
		[]string{
			"net.cidr_contains", "net.cidr_contains_matches", "net.cidr_intersects", "net.cidr_is_valid",
			"net.cidr_merge",
		},
	},
	{
		"the clock of the evaluation, which stands still while it runs; grants and tokens expire by it",
		"a few numbers, or a text in proportion to its layout",
		[]string{
			"time.add_date", "time.clock", "time.date", "time.diff", "time.format", "time.now_ns", "time.parse_duration_ns",
			"time.parse_ns", "time.parse_rfc3339_ns", "time.weekday",
		},
	},
	{
		"the policy's own annotations",
		"what the policy is written with",
		[]string{"rego.metadata.chain", "rego.metadata.rule"},
	},
	{
		"deprecated, kept for policies written in Rego v0",
		"a truth, the value itself, or a set of elements that exist",
		[]string{
			"all", "any", "cast_array", "cast_boolean", "cast_null", "cast_object", "cast_set", "cast_string", "net.cidr_overlap",
			"re_match", "set_diff",
		},
	},
}
