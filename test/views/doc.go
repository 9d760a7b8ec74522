// Package views measures what the dashboards cost a Prometheus that has a large
// fleet for a week.
package views
