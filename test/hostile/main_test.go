package hostile_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(holdVariable); spec != "" {
		if err := hold(spec); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	lab.Main(m)
}
