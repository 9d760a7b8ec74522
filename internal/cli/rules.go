package cli

import (
	"fmt"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
)

type rulesCommand struct{}

// Run prints the rules. It makes no API calls.
func (rulesCommand) Run(o output) error {
	text, err := rules.For(rules.Options{
		Identity:   []string{"cluster", "namespace", "job"},
		Runbooks:   "https://github.com/access-analyzer-exporter/access-analyzer-exporter/blob/main/docs/runbooks",
		Dashboards: "/d",
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(o.out, text)
	return err
}
