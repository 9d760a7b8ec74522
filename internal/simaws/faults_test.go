package simaws_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func listAnalyzers(c clients) error {
	_, err := c.analyzer.ListAnalyzers(context.Background(), nil)
	return err
}

func listAccounts(c clients) error {
	_, err := c.organizations.ListAccounts(context.Background(), nil)
	return err
}

func listRegions(c clients) error {
	_, err := c.account.ListRegions(context.Background(), nil)
	return err
}

func assumeRole(c clients) error {
	_, err := c.sts.AssumeRole(context.Background(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::333333333333:role/exporter"), RoleSessionName: aws.String("test"),
	})
	return err
}

func TestFaultsOfEachService(t *testing.T) {
	type outcomes struct {
		code   string
		status int
	}
	calls := []func(clients) error{listAnalyzers, listAccounts, listRegions, assumeRole}
	// An error that cannot be parsed has no code.
	for kind, want := range map[simaws.FaultKind][4]outcomes{
		simaws.AccessDenied:           {{"AccessDeniedException", 403}, {"AccessDeniedException", 400}, {"AccessDeniedException", 403}, {"AccessDenied", 403}},
		simaws.SCPDenied:              {{"AccessDeniedException", 403}, {"AccessDeniedException", 400}, {"AccessDeniedException", 403}, {"AccessDenied", 403}},
		simaws.AssumeRoleDenied:       {{"OK", 200}, {"OK", 200}, {"OK", 200}, {"AccessDenied", 403}},
		simaws.InvalidCredentials:     {{"UnrecognizedClientException", 403}, {"UnrecognizedClientException", 400}, {"UnrecognizedClientException", 403}, {"InvalidClientTokenId", 403}},
		simaws.ExpiredToken:           {{"ExpiredTokenException", 403}, {"ExpiredTokenException", 400}, {"ExpiredTokenException", 403}, {"ExpiredToken", 403}},
		simaws.RegionDisabled:         {{"UnrecognizedClientException", 403}, {"UnrecognizedClientException", 400}, {"UnrecognizedClientException", 403}, {"RegionDisabledException", 403}},
		simaws.Throttled:              {{"ThrottlingException", 429}, {"TooManyRequestsException", 400}, {"TooManyRequestsException", 429}, {"Throttling", 400}},
		simaws.ThrottledUnparsable:    {{"", 429}, {"", 429}, {"", 429}, {"", 429}},
		simaws.ServiceError:           {{"InternalServerException", 500}, {"ServiceException", 500}, {"InternalServerException", 500}, {"InternalFailure", 500}},
		simaws.ServiceErrorUnparsable: {{"", 502}, {"", 502}, {"", 502}, {"", 502}},
	} {
		t.Run(string(kind), func(t *testing.T) {
			s := start(t, newWorld(), simaws.Options{})
			c := as(s, security)
			defer s.AddFault(&simaws.Fault{Kind: kind})()
			for i, call := range calls {
				code, status := outcome(call(c))
				if (outcomes{code, status}) != want[i] {
					t.Errorf("call %d: got %s %d, want %v", i, code, status, want[i])
				}
			}
		})
	}
}

func TestAccessDeniedMessages(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	for kind, want := range map[simaws.FaultKind]string{
		simaws.AccessDenied: "User: arn:aws:iam::222222222222:user/exporter is not authorized to perform: access-analyzer:ListAnalyzers on resource: " +
			"arn:aws:access-analyzer:eu-west-1:222222222222:* because no identity-based policy allows the access-analyzer:ListAnalyzers action",
		simaws.SCPDenied: "on resource: arn:aws:access-analyzer:eu-west-1:222222222222:* with an explicit deny in a service control policy",
	} {
		remove := s.AddFault(&simaws.Fault{Kind: kind})
		if err := listAnalyzers(as(s, security)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", kind, err, want)
		}
		remove()
	}
}

func TestFaultSelection(t *testing.T) {
	for name, test := range map[string]struct {
		fault *simaws.Fault
		// want has a letter for each of the calls below: x where it fails
		want string
	}{
		"all":                 {&simaws.Fault{}, "xxxxx"},
		"service":             {&simaws.Fault{Service: "organizations"}, "..x.."},
		"services":            {&simaws.Fault{Service: "account|organizations"}, "..xx."},
		"operation":           {&simaws.Fault{Operation: "ListA*"}, "xxx.."},
		"Region":              {&simaws.Fault{Region: "us-*"}, ".x..."},
		"account of a role":   {&simaws.Fault{Account: workload}, "....x"},
		"account of a caller": {&simaws.Fault{Account: security}, "xxxx."},
		"several conditions":  {&simaws.Fault{Account: security, Region: "eu-west-1", Service: "access-analyzer"}, "x...."},
		"first two":           {&simaws.Fault{Times: 2}, "xx..."},
		"never likely":        {&simaws.Fault{Probability: 1e-12}, "....."},
		"later":               {&simaws.Fault{From: time.Hour}, "....."},
		"over":                {&simaws.Fault{Until: time.Nanosecond}, "....."},
		"now":                 {&simaws.Fault{Until: time.Hour}, "xxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newWorld(), simaws.Options{})
			c := as(s, security)
			test.fault.Kind = simaws.AccessDenied
			remove := s.AddFault(test.fault)
			calls := []func() error{
				func() error { return listAnalyzers(c) },
				func() error { return listAnalyzers(c.in("us-east-1")) },
				func() error { return listAccounts(c) },
				func() error { return listRegions(c) },
				func() error { return assumeRole(c) },
			}
			got := ""
			for _, call := range calls {
				got += map[bool]string{true: "x", false: "."}[call() != nil]
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			remove()
			for i, call := range calls {
				if err := call(); err != nil {
					t.Errorf("call %d fails without the fault: %v", i, err)
				}
			}
		})
	}
}

func TestFaultProbability(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{Seed: 1})
	s.AddFault(&simaws.Fault{Kind: simaws.Throttled, Probability: 0.5})
	c := as(s, security)
	for range 100 {
		_ = listAnalyzers(c)
	}
	if n := s.CallCount(simaws.CallFilter{Code: "ThrottlingException"}); n < 30 || n > 70 {
		t.Errorf("%d of 100 calls failed, about half should", n)
	}
}

func TestAlteredResponses(t *testing.T) {
	newServer := func(t *testing.T) (*simaws.Server, clients) {
		w := worldWithFindings()
		s := start(t, w, simaws.Options{})
		return s, as(s, security)
	}
	for _, kind := range []simaws.FaultKind{simaws.MalformedResponse, simaws.WrongTypes} {
		t.Run(string(kind), func(t *testing.T) {
			s, c := newServer(t)
			s.AddFault(&simaws.Fault{Kind: kind})
			for i, call := range []func(clients) error{listAnalyzers, listAccounts, listRegions, assumeRole} {
				if err := call(c); err == nil {
					t.Errorf("call %d succeeds", i)
				}
			}
		})
	}
	t.Run("empty_response", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.EmptyResponse})
		out, err := c.analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil || out.Analyzers != nil {
			t.Errorf("got %v, %v", out, err)
		}
	})
	t.Run("unknown_enum", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.UnknownEnum, Field: "status"})
		out, err := c.analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := out.Analyzers[0]; a.Status != "UNHEARD_OF" || a.Type != "ORGANIZATION" {
			t.Errorf("status %s, type %s", a.Status, a.Type)
		}
		s.AddFault(&simaws.Fault{Kind: simaws.UnknownEnum})
		accounts, err := c.organizations.ListAccounts(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := accounts.Accounts[0]; a.State != "UNHEARD_OF" || a.Status != "UNHEARD_OF" || *a.Id != management {
			t.Errorf("state %s, status %s, ID %s", a.State, a.Status, *a.Id)
		}
	})
	t.Run("repeating_token", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.RepeatingToken})
		ctx := context.Background()
		tokens := map[string]int{}
		var token *string
		for range 4 {
			out, err := c.analyzer.ListFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{AnalyzerArn: aws.String(externalARN), NextToken: token})
			if err != nil {
				t.Fatal(err)
			}
			token = out.NextToken
			tokens[aws.ToString(token)]++
		}
		accounts, err := c.organizations.ListAccounts(ctx, &organizations.ListAccountsInput{})
		if err != nil {
			t.Fatal(err)
		}
		regions, err := c.account.ListRegions(ctx, &account.ListRegionsInput{})
		if err != nil {
			t.Fatal(err)
		}
		if len(tokens) != 1 || aws.ToString(token) == "" || accounts.NextToken == nil || regions.NextToken == nil {
			t.Errorf("tokens %v, %v, %v", tokens, accounts.NextToken, regions.NextToken)
		}
	})
	t.Run("huge_body", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.HugeBody, Size: 3 << 20})
		counter := &countingTransport{}
		c.cfg.HTTPClient = &http.Client{Transport: counter}
		out, err := newClients(c.cfg).analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil || len(out.Analyzers) != 3 {
			t.Errorf("want a correct response: %v", err)
		}
		if counter.read != 3<<20 {
			t.Errorf("%d bytes, want %d", counter.read, 3<<20)
		}
	})
	t.Run("connection_reset", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.ConnectionReset, Times: 1})
		if err := listAnalyzers(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a connection reset", err)
		}
		if calls := s.Calls(simaws.CallFilter{}); len(calls) != 1 || calls[0].Status != 0 || calls[0].Code != "" {
			t.Errorf("calls %+v", calls)
		}
		wantOutcome(t, listAnalyzers(c), "OK", 200)
	})
}

// countingTransport counts the bytes of bodies.
type countingTransport struct{ read int }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		response.Body = &countingBody{response.Body, &c.read}
	}
	return response, err
}

type countingBody struct {
	io.ReadCloser
	n *int
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	*b.n += n
	return n, err
}

// bubble runs a test with a fake clock, over a connection in memory.
func bubble(t *testing.T, w *simaws.World, opts simaws.Options, test func(t *testing.T, s *simaws.Server, c clients)) {
	synctest.Test(t, func(t *testing.T) {
		pipe := simaws.NewPipe()
		opts.Listener = pipe
		s := start(t, w, opts)
		transport := &http.Transport{DialContext: pipe.DialContext}
		t.Cleanup(transport.CloseIdleConnections)
		cfg := as(s, security).cfg
		cfg.HTTPClient = &http.Client{Transport: plainBodies{transport}}
		test(t, s, newClients(cfg))
	})
}

func TestTimeoutLastsUntilTheClientGivesUp(t *testing.T) {
	bubble(t, newWorld(), simaws.Options{}, func(t *testing.T, s *simaws.Server, c clients) {
		s.AddFault(&simaws.Fault{Kind: simaws.Timeout})
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := c.analyzer.ListAnalyzers(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		began = time.Now()
		if err := listAnalyzers(c); err == nil || time.Since(began) != time.Minute {
			t.Errorf("a client without a timeout: after %s: %v", time.Since(began), err)
		}
	})
}

func TestCloseEndsCallsThatHang(t *testing.T) {
	bubble(t, newWorld(), simaws.Options{MaxHang: 24 * time.Hour}, func(t *testing.T, s *simaws.Server, c clients) {
		for _, kind := range []simaws.FaultKind{simaws.Timeout, simaws.SlowBody, simaws.Latency} {
			defer s.AddFault(&simaws.Fault{Kind: kind, Times: 1, Delay: time.Hour})()
			go func() { _ = listAnalyzers(c) }()
			synctest.Wait()
		}
		began := time.Now()
		if err := s.Close(); err != nil || time.Since(began) != 0 {
			t.Errorf("closed after %s: %v", time.Since(began), err)
		}
	})
}

func TestLatency(t *testing.T) {
	w := newWorld()
	w.Latency, w.Jitter = 20*time.Millisecond, 10*time.Millisecond
	bubble(t, w, simaws.Options{}, func(t *testing.T, s *simaws.Server, c clients) {
		took := func() time.Duration {
			began := time.Now()
			wantOutcome(t, listAnalyzers(c), "OK", 200)
			return time.Since(began)
		}
		if d := took(); d < 20*time.Millisecond || d > 30*time.Millisecond {
			t.Errorf("a response took %s", d)
		}
		s.AddFault(&simaws.Fault{Kind: simaws.Latency, Delay: time.Second})
		s.AddFault(&simaws.Fault{Kind: simaws.Latency, Delay: time.Second, Account: security})
		if d := took(); d < 2020*time.Millisecond || d > 2030*time.Millisecond {
			t.Errorf("with a latency of two seconds more, a response took %s", d)
		}
	})
}

func TestSlowBody(t *testing.T) {
	bubble(t, newWorld(), simaws.Options{}, func(t *testing.T, s *simaws.Server, c clients) {
		s.AddFault(&simaws.Fault{Kind: simaws.SlowBody, Delay: time.Second})
		began := time.Now()
		wantOutcome(t, listAnalyzers(c), "OK", 200)
		if got, want := time.Since(began), time.Duration(len(`{"analyzers":[]}`))*time.Second; got != want {
			t.Errorf("the response took %s, want %s", got, want)
		}
	})
}

func TestRateLimits(t *testing.T) {
	w := newWorld()
	w.Quirks.RateLimits = true
	bubble(t, w, simaws.Options{}, func(t *testing.T, s *simaws.Server, c clients) {
		for i := range 10 {
			want := "OK"
			if i >= 5 {
				want = "TooManyRequestsException"
			}
			if code, _ := outcome(listRegions(c)); code != want {
				t.Errorf("call %d: %s, want %s", i, code, want)
			}
		}
		time.Sleep(time.Second)
		for i := range 6 {
			want := "OK"
			if i >= 5 {
				want = "TooManyRequestsException"
			}
			if code, _ := outcome(listRegions(c)); code != want {
				t.Errorf("call %d a second later: %s, want %s", i, code, want)
			}
		}
		wantOutcome(t, listAnalyzers(c), "OK", 200)
	})
}
