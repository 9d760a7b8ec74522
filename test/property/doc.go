// Package property tests the exporter as a whole: what it publishes about an
// organization is what is so, or it is absent.
//
// The test draws organizations, configurations and faults at random, sweeps
// them over HTTP with everything that lies between the network and the
// exposition, and compares each published series with an oracle that sees the
// simulated world itself. The oracle shares no code with package coverage and
// follows from the contract alone: it knows everything, so it has no unknown,
// and it need not care in which order facts become known.
//
// PROPERTY_DRAWS says how many draws there are, PROPERTY_SEED repeats those of
// another run, and PROPERTY_DRAW repeats a single one of them.
package property
