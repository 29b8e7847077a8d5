// Package webhook is the way in by HTTPS: it turns the API server's calls into questions for a review.Reviewer and spells what
// that answers. In the order a request meets them:
//
//   - Server: the listener, its limits, TLS and who may call, the age of connections, and the drain at the end;
//   - Handler: one table of Endpoints, routed by exact path; deadline, size and content type; the dialect; the answer;
//   - Decorators put around the Reviewer: Recover, Instrument, Limit, Exempt;
//   - Probes: health, readiness and metrics on a plain HTTP port of their own.
//
// Two things hold whatever is plugged in. The API server is answered before its deadline, even if the Reviewer is stuck. And where
// there is no answer, the response is an error that the operator's failurePolicy decides about, never an allow.
//
// The package knows nothing of policies, mutators, certificates' origin and audit.
package webhook
