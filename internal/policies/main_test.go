package policies_test

import (
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
