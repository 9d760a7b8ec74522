// Package property tests the exporter as a whole: each series that it publishes
// about an organization is correct or absent.
//
// The test draws organizations, configurations and faults at random, sweeps
// them over HTTP with the complete pipeline, and compares each published series
// with an oracle that reads the simulated world directly. The oracle shares no
// code with package coverage and follows from the contract alone. It has the
// complete state, so it has no unknown, and the order of calls does not matter.
//
// Histories add time: the program runs, while the organization changes, calls fail,
// the configuration is reloaded, processes restart, the clock is set and the machine
// is suspended. What is published may be as old as the contract allows.
//
// PROPERTY_DRAWS and PROPERTY_HISTORIES are the numbers of draws. PROPERTY_SEED repeats
// those of another run, PROPERTY_DRAW and PROPERTY_HISTORY a single one of them.
package property
