// Package bench measures the exporter with large organizations: duration, CPU
// time, memory and API calls of whole sweeps over a simulated AWS in another
// process. docs/design/performance.md has the results and how to repeat them.
package bench
