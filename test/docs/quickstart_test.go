package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// TestQuickStart makes the files of the quick start with its commands, without AWS and
// containers: the tools accept them, and in a container they lead to the machine.
func TestQuickStart(t *testing.T) {
	text := documents(t)["docs/quick-start.md"]
	directory := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	if config == nil {
		t.Fatal("no configuration")
	}
	write("quick-start.yaml", config[1])
	var rules, errors lab.Buffer
	if code := cli.Run(t.Context(), []string{"rules", "--config.file=" + filepath.Join(directory, "quick-start.yaml")}, &rules, &errors); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, errors.String())
	}
	write("rules.yaml", rules.String())

	root, err := filepath.Abs(lab.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "deploy"), filepath.Join(directory, "deploy")); err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^sed .*$`).FindAllString(text, -1)
	for _, command := range append(commands, "promtool check config prometheus.yml", "amtool check-config alertmanager.yml") {
		name, _, _ := strings.Cut(command, " ")
		tool.Path(t, name)
		c := exec.CommandContext(t.Context(), tool.Path(t, "bash"), "-c", command)
		c.Dir = directory
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	for _, m := range regexp.MustCompile(`--volume "\$PWD/([^:]+):`).FindAllStringSubmatch(text, -1) {
		content, err := os.ReadFile(filepath.Join(directory, m[1]))
		if err != nil {
			t.Errorf("a container mounts a file that no command has made: %v", err)
		}
		for line := range strings.Lines(string(content)) {
			if line, _, _ := strings.Cut(line, "#"); strings.Contains(line, "localhost") {
				t.Errorf("%s leads to the container itself: %s", m[1], line)
			}
		}
	}
	if n := strings.Count(text, "--volume "); n != 3 {
		t.Errorf("%d volumes", n)
	}
}
