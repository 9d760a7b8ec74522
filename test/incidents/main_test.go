package incidents_test

import (
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

//go:generate go test . -run "^Test(Faults|Incidents)$" -update

func TestMain(m *testing.M) { lab.Main(m) }
