# METADATA
# title: Users of an identity provider
# description: >-
#   A JSON web token of one of the configured issuers is a user of the cluster: people of one, pipelines of another. Each
#   issuer has keys, audiences, algorithms and a mapping of claims of its own, and its keys sign for nobody else. A token must
#   expire, be meant for one of the audiences, under which the issuer knows the cluster, and have the required claims. Names and groups that
#   begin with system: belong to Kubernetes: a token that claims one is nobody's. About any other token this policy has no opinion.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication
#   description: Webhook token authentication
# - ref: https://www.rfc-editor.org/rfc/rfc7519
#   description: JSON web tokens
# custom:
#   portcullis:
#     severity: critical
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [issuers]
#       properties:
#         apiAudiences:
#           description: >-
#             The audiences of the API server, as its flag --api-audiences has them. An accepted token is good for all of these,
#             and for those of the issuer that it names itself; to a review that asks about none of them it is nobody's, or a
#             token meant for one service would open another.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [https://kubernetes.default.svc.cluster.local]
#         issuers:
#           description: The issuers whose tokens are accepted.
#           type: array
#           minItems: 1
#           uniqueItemProperties: [prefix]
#           items:
#             type: object
#             additionalProperties: false
#             required: [issuer, audiences, jwks]
#             properties:
#               issuer:
#                 description: The issuer, exactly as the claim iss has it.
#                 type: string
#                 minLength: 1
#               audiences:
#                 description: The audiences, one of which the claim aud must have.
#                 type: array
#                 minItems: 1
#                 items: {type: string, minLength: 1}
#               jwks:
#                 description: >-
#                   The public keys of the issuer, as its JSON web key set has them. In YAML the member "y" of a key needs its
#                   quotes, or it is read as the word yes.
#                 type: object
#                 required: [keys]
#                 properties:
#                   keys:
#                     description: The keys.
#                     type: array
#                     minItems: 1
#                     items:
#                       type: object
#                       required: [kty]
#                       properties:
#                         kty:
#                           description: The type of the key.
#                           type: string
#                           enum: [EC, RSA, OKP]
#                         d:
#                           description: The private part, which does not belong here.
#                           not: {}
#               algorithms:
#                 description: >-
#                   The algorithms that tokens of the issuer may be signed with. Neither none nor one with a shared secret can be listed.
#                 type: array
#                 minItems: 1
#                 items: {type: string, enum: [ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA]}
#                 default: [ES256, RS256]
#               requiredClaims:
#                 description: >-
#                   Claims a token must have, each with its value; a claim that is a list must have it among others.
#                 type: object
#                 additionalProperties: {type: string, minLength: 1}
#                 default: {}
#               usernameClaim:
#                 description: >-
#                   The claim with the name of the user. An email address must not be one the issuer marks as unverified.
#                 type: string
#                 minLength: 1
#                 default: sub
#               groupsClaim:
#                 description: The claim with the groups of the user, a list of texts or one text.
#                 type: string
#                 minLength: 1
#                 default: groups
#               uidClaim:
#                 description: The claim with what is the user's for good, whatever the name becomes.
#                 type: string
#                 minLength: 1
#                 default: sub
#               extraClaims:
#                 description: >-
#                   Claims that are kept as extra of the user, by its key, as in {"example.com/run": "run_id"}. What is neither a text nor a
#                   list of texts is left out.
#                 type: object
#                 propertyNames: {pattern: "^[a-z0-9.-]+/[a-z0-9._/-]+$", not: {pattern: "(^|[.])(kubernetes|k8s)[.]io/"}}
#                 additionalProperties: {type: string, minLength: 1}
#                 default: {}
#               prefix:
#                 description: >-
#                   What is put before names and groups. No two issuers have the same one, so that their users do not meet; a
#                   token of one whose name or group begins with the longer prefix of another is nobody's.
#                 type: string
#                 default: ""
#       examples:
#       - issuers:
#         - issuer: https://login.example.com
#           audiences: [kubernetes]
#           usernameClaim: name
#           prefix: "example:"
#           jwks:
#             keys:
#             - {kty: EC, crv: P-256, use: sig, alg: ES256, kid: es-1, x: NTgbihyuRfs-_O1JBJBAJxAnU2LpnliZjlf3HnaGqqE, "y": 2HqSR31DcBfz4pgK4uSS5lkRsGi_0x5zc36qx0zNyfs}
package portcullis.library.access.jwt

user := candidates[0]

candidates := [candidate |
	some issuer in input.parameters.issuers
	issuer.issuer == payload.iss
	claims := verified(issuer)
	is_number(claims.exp)
	uid := object.get(claims, object.get(issuer, "uidClaim", "sub"), "")
	is_string(uid)
	every claim, value in object.get(issuer, "requiredClaims", {}) {
		value in texts(claims[claim])
	}
	candidate := {
		"username": username(issuer, claims),
		"uid": uid,
		"groups": groups(issuer, claims),
		"extra": {key: values |
			some key, claim in object.get(issuer, "extraClaims", {})
			values := texts(claims[claim])
			every value in values {
				is_string(value)
			}
		},
		"audiences": audiences(issuer, claims),
	}
	every name in array.concat([candidate.username], candidate.groups) {
		not startswith(name, "system:")
		not of_another(issuer, name)
	}
]

# With no prefix for one, and b: for another, the first could name the users of the second.
of_another(issuer, name) if {
	own := object.get(issuer, "prefix", "")
	some other in input.parameters.issuers
	prefix := object.get(other, "prefix", "")
	count(prefix) > count(own)
	startswith(name, prefix)
}

# What the token says before it is believed, to find issuer and key. Decoding by hand rather than with io.jwt.decode, which does
# not survive a token whose header has a content type that is no text.
parts := split(input.spec.token, ".")

header := json.unmarshal(base64url.decode(parts[0]))

payload := json.unmarshal(base64url.decode(parts[1]))

# Also checks the times exp, where there is one, and nbf.
verified(issuer) := claims if {
	header.alg in object.get(issuer, "algorithms", ["ES256", "RS256"])
	keys := [key | some key in issuer.jwks.keys; usable(key)]
	some audience in issuer.audiences
	[valid, _, claims] := io.jwt.decode_verify(input.spec.token, {
		"cert": json.marshal({"keys": keys}),
		"alg": header.alg,
		"iss": issuer.issuer,
		"aud": audience,
		"time": time.now_ns(),
	})
	valid
}

# A token that names its key is checked with that key alone, and a key that names its algorithm checks no other.
usable(key) if {
	object.get(key, "alg", header.alg) == header.alg
	object.get(header, "kid", null) in {object.get(key, "kid", ""), null}
	object.get(key, "use", "sig") == "sig"
}

username(issuer, claims) := concat("", [object.get(issuer, "prefix", ""), name]) if {
	claim := object.get(issuer, "usernameClaim", "sub")
	name := claims[claim]
	name != ""
	not unverified(claim, claims)
}

# The issuer knows the API server by other names than it calls itself; a token that is good under one is good under all of those.
audiences(issuer, claims) := array.concat(
	input.parameters.apiAudiences,
	[audience | some audience in texts(claims.aud); audience in issuer.audiences],
)

unverified("email", claims) if object.get(claims, "email_verified", true) != true

groups(issuer, claims) := [concat("", [object.get(issuer, "prefix", ""), name]) | some name in names] if {
	claimed := object.get(claims, object.get(issuer, "groupsClaim", "groups"), [])
	names := texts(claimed)
	every name in names {
		is_string(name)
	}
}

texts(claimed) := {"string": [claimed], "array": claimed}[type_name(claimed)]
