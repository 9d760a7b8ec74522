// Package e2e tests the deployed pipeline: the exporter's binary with a simulated
// AWS, a real Prometheus with the rules of deploy/prometheus, and a real
// Alertmanager with the configuration of deploy/alertmanager, which notifies
// webhooks for pages and tickets.
package e2e
