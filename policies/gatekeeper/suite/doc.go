// Package suite runs suites of tests of policies: those that Gatekeeper's users have, as Gatekeeper's own command runs them, and our own,
// which also say who asks for what and what comes of mutations, access reviews and tokens.
package suite
