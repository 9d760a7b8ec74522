package report

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/awscli"
)

func TestAWSCLIAcceptsCommands(t *testing.T) {
	regions := []string{"eu-west-1", "us-east-1"}
	for access := range analyzerTypes {
		for _, scope := range []inventory.Scope{inventory.AccountScope, inventory.OrganizationScope} {
			awscli.Check(t, createAnalyzer(access, scope, regions))
		}
	}
	s := Of(webtest.Organization(time.Now()))
	for _, reason := range append(awscli.Enum("accessanalyzer.ReasonCode"), "") {
		for _, kind := range awscli.Enum("accessanalyzer.Type") {
			for _, status := range awscli.Enum("accessanalyzer.AnalyzerStatus") {
				a := &inventory.Analyzer{AccountID: webtest.ID(1), Region: regions[0], Name: "main", Status: status, StatusReason: reason, Type: kind}
				_, command, _, steps := s.repair(a, regions[:1])
				awscli.Check(t, command)
				for _, step := range steps {
					awscli.Check(t, step.Command)
				}
			}
		}
	}
}
