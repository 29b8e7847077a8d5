// Package registration tells the API server what to ask Portcullis about, and keeps it told.
//
// Plan is pure: it makes the webhook configurations out of what the policies in force want to be asked (Interest) and of what must never
// wait for a webhook (nodes, leases, events, our own namespace and kinds). Keeper keeps those configurations true in a cluster; it runs on
// the leader alone. Unlock and Lock are the break-glass, and need nothing but the API server.
package registration
