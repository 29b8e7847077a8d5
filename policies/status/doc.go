// Package status tells, in the status of each Policy in the cluster, what became of it: whether it compiles, whether every replica serves it,
// and what it found. One server writes, the leader.
package status
