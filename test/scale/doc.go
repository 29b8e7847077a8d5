// Package scale fills a real control plane with many objects and looks at what it costs to judge all of them. "make bench-audit" measures W10
// of docs/performance.md; the test does the same with few objects, and holds the audit to what no machine has a part in: the results, the
// requests and the memory.
package scale
