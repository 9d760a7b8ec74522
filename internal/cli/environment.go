package cli

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// serviceLinks are the variables that Kubernetes sets in each pod for a Service
// named access-analyzer-exporter.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var serviceLinks = regexp.MustCompile(`^_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// unknownVariable is a variable with the prefix of flags that belongs to no flag.
// meant is the variable of a flag that differs only in its underscores, or empty.
type unknownVariable struct{ name, meant string }

func (v unknownVariable) String() string {
	if v.meant == "" {
		return v.name + " belongs to no flag and has no effect"
	}
	return v.name + " belongs to no flag and has no effect; did you mean " + v.meant + "?"
}

// unknownVariables returns those of an environment, sorted. A misspelled variable
// would have no effect: ..._WEB_CONFIGFILE instead of ..._WEB_CONFIG_FILE serves
// without TLS.
func unknownVariables(root *kong.Node, environ []string) []unknownVariable {
	known := append(variablesOf(root), envConfig)
	plain := func(name string) string { return strings.ReplaceAll(name, "_", "") }
	var unknown []unknownVariable
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours || !strings.HasPrefix(rest, "_") || slices.Contains(known, name) || serviceLinks.MatchString(rest) {
			continue
		}
		v := unknownVariable{name: name}
		if i := slices.IndexFunc(known, func(k string) bool { return plain(k) == plain(name) }); i >= 0 {
			v.meant = known[i]
		}
		unknown = append(unknown, v)
	}
	slices.SortFunc(unknown, func(a, b unknownVariable) int { return strings.Compare(a.name, b.name) })
	return unknown
}

// checkVariables returns the error of an empty variable that belongs to a flag of
// the command, unless the flag itself is given. As a default, an empty value would
// hide a template or a secret that was not filled in: with an empty SHARD_INDEX,
// each shard would be shard 0.
func checkVariables(parser *kong.Kong, args []string) error {
	command, err := kong.Trace(parser, args)
	if err != nil {
		return err
	}
	for _, flag := range command.Flags() {
		if slices.ContainsFunc(command.Path, func(p *kong.Path) bool { return p.Flag == flag }) {
			continue
		}
		for _, name := range flag.Envs {
			if value, set := os.LookupEnv(name); set && value == "" {
				return ofAudit(command, fmt.Errorf("%s is empty: set it, or unset it to use the default", name))
			}
		}
	}
	return nil
}

// variablesOf returns the variables of the flags of a command and those below it.
func variablesOf(n *kong.Node) []string {
	var names []string
	for _, f := range n.Flags {
		names = append(names, f.Envs...)
	}
	for _, child := range n.Children {
		names = append(names, variablesOf(child)...)
	}
	return names
}

// warnOfUnknownVariables logs them without their values, which may be secrets.
func warnOfUnknownVariables(logger *slog.Logger, unknown []unknownVariable) {
	for _, v := range unknown {
		attributes := []any{"name", v.name}
		if v.meant != "" {
			attributes = append(attributes, "did_you_mean", v.meant)
		}
		logger.Warn("Environment variable belongs to no flag and has no effect", attributes...)
	}
}
