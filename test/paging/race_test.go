//go:build race

package paging

// raceDetector is whether the tests run under the race detector, which multiplies
// their time.
const raceDetector = true
