// Package e2e tests the whole chain as it is deployed: the exporter's binary
// over a simulated AWS, a real Prometheus with the rules of deploy/prometheus,
// a real Alertmanager with the configuration of deploy/alertmanager, and
// somebody who is paged.
package e2e
