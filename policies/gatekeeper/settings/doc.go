// Package settings reads Gatekeeper's Config and SyncSets: which kinds of objects policies see at data.inventory, and which namespaces are none of
// Gatekeeper's business.
package settings
