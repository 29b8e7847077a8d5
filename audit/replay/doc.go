// Package replay asks what was recorded of other policies. It reads decision logs, and the audit logs of an API server, asks policies each
// request again, and tells what would change. Where a record does not hold what a policy looks at, it is counted as such, and never as
// allowed or denied.
package replay
