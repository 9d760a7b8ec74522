package collector

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "update the golden files and docs/metrics.md")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
