// Package definitions has the CustomResourceDefinitions of Gatekeeper's kinds, for clusters that Gatekeeper was never installed in, and
// creates those that are missing.
package definitions
