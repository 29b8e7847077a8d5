// Package inventory keeps the cluster's objects as the values Rego reads at data.kubernetes[kind][namespace][name], and at data.inventory as
// policies written for Gatekeeper do.
//
// A Store takes updates and publishes Snapshots. A Snapshot never changes and is OPA's storage for the policies of one review: what it
// hands out are the values themselves, nothing is converted and nothing locked. So no review waits for an update, and no update for a
// review.
//
// Of an object only the Fields that some policy reads are kept. Who brings the objects is not this package's business: it knows no
// client and no informer.
package inventory
