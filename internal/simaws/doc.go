// Package simaws is a simulated AWS organization that speaks AWS' own wire
// protocols: Access Analyzer and Account Management (rest-json), Organizations
// (JSON 1.1), STS (query and XML) and SQS (JSON 1.0), all behind one HTTP
// listener. Its queues are told of what changes, as EventBridge would tell
// them. Signatures are verified, permissions are checked, lists are paged and errors have the
// codes, shapes and statuses that AWS gives them. Any AWS SDK or CLI can be
// pointed at it by environment variables alone:
//
//	world := &simaws.World{
//		Organization: &simaws.Organization{
//			ID:              "o-exampleorg1",
//			ManagementID:    "111111111111",
//			TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
//			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {"222222222222"}},
//		},
//		Accounts: []*simaws.Account{
//			{ID: "111111111111", Name: "management", Regions: simaws.Regions()},
//			{ID: "222222222222", Name: "security", Regions: simaws.Regions("eu-south-1")},
//			{ID: "333333333333", Name: "workload", Regions: simaws.Regions(), Roles: []*simaws.Role{
//				{Name: "exporter", Trusts: []string{"222222222222"}},
//			}},
//		},
//		Analyzers: []*simaws.Analyzer{
//			{AccountID: "222222222222", Region: "eu-west-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"},
//		},
//	}
//	server := simaws.New(world, simaws.Options{})
//	if err := server.Start(); err != nil { … }
//	defer server.Close()
//	for name, value := range server.Env() {
//		t.Setenv(name, value)
//	}
//
// Everything can be changed while it runs:
//
//	server.Update(func(w *simaws.World) { w.Analyzers[0].Status = "DISABLED" })
//	remove := server.AddFault(&simaws.Fault{Kind: simaws.Throttled, Account: "333333333333", Times: 3})
//	calls := server.Calls(simaws.CallFilter{Operation: "ListAnalyzers"})
//
// A world can also be written as YAML ([ParseScenario]; scenario.yaml shows
// every key); [Demo] is one that comes with the package.
//
// Sources: the API references of the five services, "Signing AWS API requests"
// and "Troubleshoot access denied error messages" in the IAM User Guide. Where
// AWS documents nothing, [Quirks] offers each of the behaviours to be reckoned
// with.
package simaws
