package review

// Standing is the question whether an object that is there already is acceptable, which nobody asks but an audit: at Validate, in its name alone,
// with no user. The verb is what the object is judged as, "create" for as if it were sent now; without one nothing is done with it. There is no Body:
// who answers makes of the object what it needs.
func Standing(target Target, object Raw, verb string) *Request {
	return &Request{Stage: Validate, Origin: FromAudit, Verb: verb, Target: target, Object: object, heads: &heads{}}
}
