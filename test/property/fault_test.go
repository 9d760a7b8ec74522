package property

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// fault describes a simaws.Fault. Empty fields match everything.
type fault struct {
	kind                                simaws.FaultKind
	service, operation, account, region string
	times                               int
	delay                               time.Duration
	size                                int64
	field                               string
}

func (f fault) build() *simaws.Fault {
	return &simaws.Fault{
		Kind: f.kind, Service: f.service, Operation: f.operation, Account: f.account, Region: f.region,
		Times: f.times, Delay: f.delay, Size: f.size, Field: f.field,
	}
}

func (f fault) String() string {
	where := []string{}
	for _, s := range []string{f.service, f.operation, f.account, f.region, f.field} {
		where = append(where, cmp.Or(s, "*"))
	}
	times := "always"
	if f.times > 0 {
		times = fmt.Sprintf("the first %d times", f.times)
	}
	return fmt.Sprintf("%s %s %s", f.kind, strings.Join(where, " "), times)
}

var operations = map[string][]string{
	"access-analyzer": {"ListAnalyzers", "ListAnalyzers", "GetAnalyzer", "ListArchiveRules", "ListFindings", "ListFindingsV2", "GetFindingsStatistics"},
	"sts":             {"AssumeRole", "AssumeRole", "GetCallerIdentity"},
	"organizations":   {"DescribeOrganization", "ListAccounts", "ListDelegatedAdministrators"},
	"account":         {"ListRegions"},
}

// tooLarge is a size in bytes above that of any AWS response.
const tooLarge = 20 << 20

// faults draws the faults of one sweep.
func (d *drawing) faults(w world) []fault {
	var faults []fault
	for range d.number(1, 3) {
		faults = append(faults, d.fault(w))
	}
	return faults
}

func (d *drawing) fault(w world) fault {
	f := fault{kind: d.faultKind()}
	if d.percent(90) {
		f.service = pick(d, "access-analyzer", "access-analyzer", "access-analyzer", "access-analyzer", "sts", "organizations", "account")
		if d.percent(60) {
			f.operation = pick(d, operations[f.service]...)
		}
	}
	if f.service == "organizations" && d.labels.percent(40) {
		f.operation = pick(d.labels, "ListTagsForResource", "ListTagsForResource", "DescribeOrganizationalUnit")
	}
	if f.kind == simaws.AssumeRoleDenied {
		f.service, f.operation = "sts", "AssumeRole"
	}
	if d.percent(65) {
		f.account = pick(d, w.accounts()...).ID
	}
	if f.service == "access-analyzer" && d.percent(50) {
		f.region = pick(d, d.regions...).Name
	}
	if d.percent(40) {
		f.times = d.number(1, 4)
	}
	switch f.kind {
	case simaws.RepeatingToken:
		// A token that repeats once returns a page twice, without an error that
		// the exporter could detect.
		f.times = 0
	case simaws.Latency:
		f.delay = time.Duration(d.IntN(10)) * time.Millisecond
	case simaws.SlowBody:
		f.delay, f.times = 50*time.Microsecond, 2
	case simaws.HugeBody:
		if f.size = 100 << 10; d.percent(3) {
			f.size, f.times = tooLarge, 2
		}
	case simaws.UnknownEnum:
		// Invalid values of other enumerations would change the expected
		// series. Worlds have unknown values of their own.
		f.field = pick(d, "code", "JoinedMethod")
	}
	return f
}

func (d *drawing) faultKind() simaws.FaultKind {
	switch {
	case d.IntN(1000) == 0:
		return simaws.Timeout
	case d.percent(8):
		return pick(d, simaws.Latency, simaws.SlowBody, simaws.HugeBody, simaws.UnknownEnum)
	}
	return pick(d, simaws.AccessDenied, simaws.SCPDenied, simaws.AssumeRoleDenied, simaws.InvalidCredentials, simaws.ExpiredToken, simaws.RegionDisabled, simaws.Rejected,
		simaws.Throttled, simaws.ThrottledUnparsable, simaws.ConnectionReset, simaws.ServiceError, simaws.ServiceErrorUnparsable,
		simaws.MalformedResponse, simaws.WrongTypes, simaws.EmptyResponse, simaws.RepeatingToken)
}

// harmless reports whether calls succeed in spite of the fault.
func (f fault) harmless() bool {
	switch f.kind {
	case simaws.Latency, simaws.SlowBody, simaws.UnknownEnum:
		return true
	case simaws.HugeBody:
		return f.size < tooLarge
	}
	return false
}

// mayHit reports whether the fault can make an operation fail. The Region of a
// global service depends on the client, so faults of global services have none.
func (f fault) mayHit(service, operation, account, region string) bool {
	if f.kind == simaws.Timeout {
		return true // one timeout can use up the deadline of the sweep
	}
	is := func(want, have string) bool { return want == "" || have == "" || want == have }
	return !f.harmless() && is(f.service, service) && is(f.operation, operation) && is(f.account, account) && is(f.region, region)
}

func mayHit(faults []fault, service, operation, account, region string) bool {
	for _, f := range faults {
		if f.mayHit(service, operation, account, region) {
			return true
		}
	}
	return false
}
