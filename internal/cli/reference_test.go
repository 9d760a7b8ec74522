package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// TestReference compares docs/command-line.md with the flags of every command.
func TestReference(t *testing.T) {
	var b strings.Builder
	for _, command := range cli.Model().Children {
		fmt.Fprintf(&b, "## %s\n\n%s", command.Name, command.Help)
		if command.Detail != "" {
			fmt.Fprintf(&b, "\n\n%s", command.Detail)
		}
		b.WriteString("\n\n```text\naccess-analyzer-exporter " + command.Name + usage(command) + "\n```\n\n")
		flags(&b, command)
	}
	lab.Generated(t, "docs/command-line.md", "commands", strings.TrimSuffix(b.String(), "\n"))
}

// usage returns the arguments of a command.
func usage(command *kong.Node) string {
	text := ""
	for _, p := range command.Positional {
		text += " " + p.Summary()
	}
	return text + " [flags]"
}

func flags(b *strings.Builder, command *kong.Node) {
	if len(command.Flags)+len(command.Positional) == 0 {
		return
	}
	b.WriteString("| flag | environment variable | meaning |\n| --- | --- | --- |\n")
	for _, p := range command.Positional {
		fmt.Fprintf(b, "| `%s` | | %s |\n", p.Summary(), cell(p.Help))
	}
	for _, f := range command.Flags {
		name := "--" + f.Name
		if !f.IsBool() && !f.IsCounter() {
			name += "=" + f.FormatPlaceHolder()
		}
		var variables []string
		for _, v := range f.Envs {
			variables = append(variables, "`"+v+"`")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", cell(name), strings.Join(variables, " "), cell(f.Help))
	}
	b.WriteString("\n")
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
