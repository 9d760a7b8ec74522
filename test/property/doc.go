// Package property tests the exporter as a whole: each series that it publishes
// about an organization is correct or absent.
//
// The test draws organizations, configurations and faults at random, sweeps
// them over HTTP with the complete pipeline, and compares each published series
// with an oracle that reads the simulated world directly. The oracle shares no
// code with package coverage and follows from the contract alone. It has the
// complete state, so it has no unknown, and the order of calls does not matter.
//
// PROPERTY_DRAWS is the number of draws. PROPERTY_SEED repeats the draws of
// another run, and PROPERTY_DRAW a single one of them.
package property
