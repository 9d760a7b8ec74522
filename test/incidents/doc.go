// Package incidents tests the exporter against every failure reason and
// against events in the life of an organization.
package incidents
