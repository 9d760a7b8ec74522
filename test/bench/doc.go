// Package bench measures what a large organization costs: time, processor,
// memory and calls of whole sweeps over a simulated AWS that runs in a process
// of its own. It has benchmarks and nothing else; docs/design/performance.md has the
// results and how to repeat them.
package bench
