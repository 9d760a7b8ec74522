package lab

import (
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package and fails if they leave goroutines.
func Main(m *testing.M) { goleak.VerifyTestMain(m) }
