// Package status tells, at the objects in the cluster that policies are read from, what became of them: of each Policy whether it compiles and
// whether every replica serves it, of each PolicyException whether it holds, of each ConfigMap whether it was read. One server writes, the
// leader.
package status
