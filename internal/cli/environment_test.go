package cli_test

import (
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

func TestUnknownVariables(t *testing.T) {
	const none = "belongs to no flag"
	for name, want := range map[string]string{
		"ACCESS_ANALYZER_EXPORTER_WEB_CONFIGFILE":  "ACCESS_ANALYZER_EXPORTER_WEB_CONFIG_FILE",
		"ACCESS_ANALYZER_EXPORTER_CONFIG__FILE":    "ACCESS_ANALYZER_EXPORTER_CONFIG_FILE",
		"ACCESS_ANALYZER_EXPORTER_SWEEP_INTERVAL":  none,
		"ACCESS_ANALYZER_EXPORTER_web_config_file": none,
		// A flag of another command.
		"ACCESS_ANALYZER_EXPORTER_SCENARIO": "",
		// Other programs and Kubernetes.
		"ACCESS_ANALYZER_EXPORTERS":                      "",
		"ACCESS_ANALYZER_EXPORTER":                       "",
		"ACCESS_ANALYZER_EXPORTER_SERVICE_HOST":          "",
		"ACCESS_ANALYZER_EXPORTER_SERVICE_PORT":          "",
		"ACCESS_ANALYZER_EXPORTER_SERVICE_PORT_HTTP":     "",
		"ACCESS_ANALYZER_EXPORTER_PORT":                  "",
		"ACCESS_ANALYZER_EXPORTER_PORT_10289_TCP":        "",
		"ACCESS_ANALYZER_EXPORTER_PORT_10289_TCP_PROTO":  "",
		"ACCESS_ANALYZER_EXPORTER_PORT_10289_UDP_ADDR":   "",
		"ACCESS_ANALYZER_EXPORTER_PORT_10289_TCP_SECRET": none,
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "s3cr3t")
			invalid := lab.WriteFile(t, "invalid: true")
			for _, args := range [][]string{{"--config.file=/nowhere.yaml"}, {"audit", "--config.file=/nowhere.yaml"}, {"demo", "--scenario=" + invalid, "--web.listen-address=127.0.0.1:0"}} {
				var out lab.Buffer
				cli.Run(t.Context(), args, &out, &out)
				if warned := strings.Contains(out.String(), none); warned != (want != "") || !strings.Contains(out.String(), want) {
					t.Errorf("%v: want %q in:\n%s", args, want, out.String())
				}
				if strings.Contains(out.String(), "s3cr3t") {
					t.Errorf("%v prints the value:\n%s", args, out.String())
				}
			}
		})
	}
}
