// Package remedy has the meaning and the fix of every failure. The log, the page,
// the JSON API, the audit and docs/operating.md take their texts from its table.
//
// Error messages of AWS are not part of these texts: they may hold ARNs and
// authorization IDs.
package remedy

import (
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Remedy is the meaning of a failure, what to do about it and, if there is one, a
// command for a POSIX shell. Meaning is a phrase; Fix has sentences, of which the
// last one introduces the command.
type Remedy struct {
	Meaning, Fix, Command string
}

// Setting is the command that reports the failure. The zero value is serve.
type Setting struct {
	// Audit is whether a single sweep is reported.
	Audit bool
	// ConfigFile is the configuration file in use, if it is known.
	ConfigFile string
	// Simulated is whether the organization is that of the demo.
	Simulated bool
}

// Of returns the remedy of a failure. account is the one that the failure is
// about; nil if it is not in scope or unknown.
func Of(f *inventory.Failure, account *inventory.Account, in Setting) Remedy {
	if f.Unsupported {
		return lookUp(f.Reason, unsupported).in(in)
	}
	if f.Reason == inventory.AssumeRoleDenied && account != nil && account.Role == inventory.Management && f.Detail == "" {
		return managementRole.in(in)
	}
	return lookUp(f.Reason, f.Detail).in(in)
}

// Line is a failure and its remedy on one line, for a log or an error.
func Line(f *inventory.Failure, in Setting) string {
	r := Of(f, nil, in)
	where := ""
	if f.AccountID != "" {
		where = " in account " + f.AccountID
	}
	line := f.Operation + where + ": " + string(f.Reason) + ", " + r.Meaning + ". " + r.Text()
	if f.Message != "" {
		line += " (" + f.Message + ")"
	}
	return line
}

// Text is the fix with its command.
func (r Remedy) Text() string { return strings.TrimSpace(r.Fix + " " + r.Command) }

// lookUp returns the entry for a detail of a reason, else that of the detail, else
// that of the reason.
func lookUp(reason inventory.Reason, detail inventory.Detail) entry {
	if detail != "" {
		for _, k := range []key{{reason, detail}, {"", detail}} {
			if e, ok := find(k); ok {
				return e
			}
		}
	}
	e, _ := find(key{reason, ""})
	return e
}

func find(k key) (entry, bool) {
	for _, e := range table {
		if e.key == k {
			return e, true
		}
	}
	return entry{}, false
}

// in adapts an entry to the command that reports it.
func (e entry) in(s Setting) Remedy {
	r := Remedy{e.meaning, e.fix, e.command}
	if e.transient {
		retry := "The next sweep retries."
		if s.Audit {
			retry = "Run the audit again."
		}
		r.Fix = retry + " " + r.Fix
	}
	if s.Audit {
		// An audit is one sweep, and prints messages.
		r.Fix = strings.NewReplacer(" or lengthen sweep.interval", "", " in the log", "").Replace(r.Fix)
	}
	if strings.HasPrefix(r.Command, policies) {
		if s.ConfigFile != "" {
			r.Command += " --config.file=" + shellescape.Quote(s.ConfigFile)
		} else if !s.Audit {
			r.Fix = strings.TrimSuffix(r.Fix, ":") + " (add the --config.file in use):"
		}
	}
	return r
}
