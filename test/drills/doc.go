// Package drills takes a cluster with the release installed, three server processes and the real API server, and breaks it in the ways
// that docs/reliability.md lists. Each drill has its control in the same file: the same scenario with the defence switched off, which
// must be seen to fail. By default the drills are short; -drills.full, or DRILLS=full in the environment, runs them as long as the page's
// figures were measured (`make drills`).
package drills
