// Package takeover kills and stops servers that audit a real cluster, and looks whether what they found is in exactly one report each.
package takeover
