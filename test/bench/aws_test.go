package bench

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

const (
	role  = "exporter"
	admin = "100000000001"
)

func id(i int) string { return strconv.Itoa(100000000000 + i) }

// world is an organization that is covered by organization analyzers in every
// Region but one, where every tenth account has an analyzer of its own.
func world() *simaws.World {
	w := &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: id(0), TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {admin}},
		},
		Caller:  simaws.Caller{AccountID: admin},
		Latency: *latency,
	}
	regions, roles := simaws.Regions(), []*simaws.Role{{Name: role, Trusts: []string{admin}}}
	// The second account is the hub.
	for i := range max(2, *accounts) {
		w.Accounts = append(w.Accounts, &simaws.Account{ID: id(i), Name: "account-" + strconv.Itoa(i), Regions: regions, Roles: roles})
		if i%10 == 2 {
			w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: id(i), Region: "sa-east-1", Name: "external", Type: "ACCOUNT", Status: "ACTIVE"})
		}
	}
	for _, region := range simaws.DefaultRegions {
		if region != "sa-east-1" {
			w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: admin, Region: region, Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"})
		}
	}
	return w
}

// playAWS writes its environment, then answers each line with the counts of
// calls since the previous line.
func playAWS() {
	server := simaws.New(world(), simaws.Options{CallLog: -1})
	if err := server.Start(); err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(server.Env())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		_ = out.Encode(server.CallCounts())
		server.ResetCalls()
	}
}

// awsProcess is the simulated AWS in its process.
type awsProcess struct {
	*process
	env map[string]string
}

func startAWS(b *testing.B) *awsProcess {
	b.Helper()
	a := &awsProcess{}
	a.process = begin(b, "aws", map[string]string{"GOGC": "400"}, &a.env)
	return a
}

// calls returns the numbers of calls since it was last called, by operation.
func (a *awsProcess) calls(b *testing.B) (counts map[string]int, total float64) {
	b.Helper()
	a.ask(b, "calls", &counts)
	for _, n := range counts {
		total += float64(n)
	}
	return counts, total
}
