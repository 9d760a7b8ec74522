package fault_test

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

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

func TestFaultsOfEachService(t *testing.T) {
	type outcomes struct {
		code   string
		status int
	}
	calls := []func(sdktest.Clients) error{sdktest.ListAnalyzers, sdktest.ListAccounts, sdktest.ListRegions, sdktest.AssumeRole}
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
			s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
			c := sdktest.As(s, sdktest.Security)
			defer s.AddFault(&simaws.Fault{Kind: kind})()
			for i, call := range calls {
				code, status := sdktest.Outcome(call(c))
				if (outcomes{code, status}) != want[i] {
					t.Errorf("call %d: got %s %d, want %v", i, code, status, want[i])
				}
			}
		})
	}
}

func TestAccessDeniedMessages(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	for kind, want := range map[simaws.FaultKind]string{
		simaws.AccessDenied: "User: arn:aws:iam::222222222222:user/exporter is not authorized to perform: access-analyzer:ListAnalyzers on resource: " +
			"arn:aws:access-analyzer:eu-west-1:222222222222:* because no identity-based policy allows the access-analyzer:ListAnalyzers action",
		simaws.SCPDenied: "on resource: arn:aws:access-analyzer:eu-west-1:222222222222:* with an explicit deny in a service control policy",
	} {
		remove := s.AddFault(&simaws.Fault{Kind: kind})
		// The SDK drops the text of an error that is spelled Message.
		spelled := map[bool]int{}
		for range 16 {
			err := sdktest.ListAnalyzers(sdktest.As(s, sdktest.Security))
			spelled[err != nil && strings.Contains(err.Error(), want)]++
		}
		if spelled[true] == 0 || spelled[false] == 0 {
			t.Errorf("%s: %d of 16 errors have the text in a member that the SDK reads, want some: %s", kind, spelled[true], want)
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
		"account of a role":   {&simaws.Fault{Account: sdktest.Workload}, "....x"},
		"account of a caller": {&simaws.Fault{Account: sdktest.Security}, "xxxx."},
		"several conditions":  {&simaws.Fault{Account: sdktest.Security, Region: "eu-west-1", Service: "access-analyzer"}, "x...."},
		"first two":           {&simaws.Fault{Times: 2}, "xx..."},
		"never likely":        {&simaws.Fault{Probability: 1e-12}, "....."},
		"later":               {&simaws.Fault{From: time.Hour}, "....."},
		"over":                {&simaws.Fault{Until: time.Nanosecond}, "....."},
		"now":                 {&simaws.Fault{Until: time.Hour}, "xxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
			c := sdktest.As(s, sdktest.Security)
			test.fault.Kind = simaws.AccessDenied
			remove := s.AddFault(test.fault)
			calls := []func() error{
				func() error { return sdktest.ListAnalyzers(c) },
				func() error { return sdktest.ListAnalyzers(c.In("us-east-1")) },
				func() error { return sdktest.ListAccounts(c) },
				func() error { return sdktest.ListRegions(c) },
				func() error { return sdktest.AssumeRole(c) },
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
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{Seed: 1})
	s.AddFault(&simaws.Fault{Kind: simaws.Throttled, Probability: 0.5})
	c := sdktest.As(s, sdktest.Security)
	for range 100 {
		_ = sdktest.ListAnalyzers(c)
	}
	if n := s.CallCount(simaws.CallFilter{Code: "ThrottlingException"}); n < 30 || n > 70 {
		t.Errorf("%d of 100 calls failed, about half should", n)
	}
}

func TestAlteredResponses(t *testing.T) {
	newServer := func(t *testing.T) (*simaws.Server, sdktest.Clients) {
		w := sdktest.NewWorldWithFindings()
		s := sdktest.Start(t, w, simaws.Options{})
		return s, sdktest.As(s, sdktest.Security)
	}
	for _, kind := range []simaws.FaultKind{simaws.MalformedResponse, simaws.WrongTypes} {
		t.Run(string(kind), func(t *testing.T) {
			s, c := newServer(t)
			s.AddFault(&simaws.Fault{Kind: kind})
			for i, call := range []func(sdktest.Clients) error{sdktest.ListAnalyzers, sdktest.ListAccounts, sdktest.ListRegions, sdktest.AssumeRole} {
				if err := call(c); err == nil {
					t.Errorf("call %d succeeds", i)
				}
			}
		})
	}
	t.Run("empty_response", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.EmptyResponse})
		out, err := c.Analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil || out.Analyzers != nil {
			t.Errorf("got %v, %v", out, err)
		}
	})
	t.Run("unknown_enum", func(t *testing.T) {
		s, c := newServer(t)
		s.AddFault(&simaws.Fault{Kind: simaws.UnknownEnum, Field: "status"})
		out, err := c.Analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := out.Analyzers[0]; a.Status != "UNHEARD_OF" || a.Type != "ORGANIZATION" {
			t.Errorf("status %s, type %s", a.Status, a.Type)
		}
		s.AddFault(&simaws.Fault{Kind: simaws.UnknownEnum})
		accounts, err := c.Organizations.ListAccounts(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := accounts.Accounts[0]; a.State != "UNHEARD_OF" || a.Status != "UNHEARD_OF" || *a.Id != sdktest.Management {
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
			out, err := c.Analyzer.ListFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{AnalyzerArn: aws.String(sdktest.ExternalARN), NextToken: token})
			if err != nil {
				t.Fatal(err)
			}
			token = out.NextToken
			tokens[aws.ToString(token)]++
		}
		accounts, err := c.Organizations.ListAccounts(ctx, &organizations.ListAccountsInput{})
		if err != nil {
			t.Fatal(err)
		}
		regions, err := c.Account.ListRegions(ctx, &account.ListRegionsInput{})
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
		c.Config.HTTPClient = &http.Client{Transport: counter}
		out, err := sdktest.NewClients(c.Config).Analyzer.ListAnalyzers(context.Background(), nil)
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
		if err := sdktest.ListAnalyzers(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a connection reset", err)
		}
		if calls := s.Calls(simaws.CallFilter{}); len(calls) != 1 || calls[0].Status != 0 || calls[0].Code != "" {
			t.Errorf("calls %+v", calls)
		}
		sdktest.WantOutcome(t, sdktest.ListAnalyzers(c), "OK", 200)
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

func TestTimeoutLastsUntilTheClientGivesUp(t *testing.T) {
	sdktest.Bubble(t, sdktest.NewWorld(), simaws.Options{}, func(t *testing.T, s *simaws.Server, c sdktest.Clients) {
		s.AddFault(&simaws.Fault{Kind: simaws.Timeout})
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := c.Analyzer.ListAnalyzers(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		began = time.Now()
		if err := sdktest.ListAnalyzers(c); err == nil || time.Since(began) != time.Minute {
			t.Errorf("a client without a timeout: after %s: %v", time.Since(began), err)
		}
	})
}

func TestCloseEndsCallsThatHang(t *testing.T) {
	sdktest.Bubble(t, sdktest.NewWorld(), simaws.Options{MaxHang: 24 * time.Hour}, func(t *testing.T, s *simaws.Server, c sdktest.Clients) {
		for _, kind := range []simaws.FaultKind{simaws.Timeout, simaws.SlowBody, simaws.Latency} {
			defer s.AddFault(&simaws.Fault{Kind: kind, Times: 1, Delay: time.Hour})()
			go func() { _ = sdktest.ListAnalyzers(c) }()
			synctest.Wait()
		}
		began := time.Now()
		if err := s.Close(); err != nil || time.Since(began) != 0 {
			t.Errorf("closed after %s: %v", time.Since(began), err)
		}
	})
}

func TestLatency(t *testing.T) {
	w := sdktest.NewWorld()
	w.Latency, w.Jitter = 20*time.Millisecond, 10*time.Millisecond
	sdktest.Bubble(t, w, simaws.Options{}, func(t *testing.T, s *simaws.Server, c sdktest.Clients) {
		took := func() time.Duration {
			began := time.Now()
			sdktest.WantOutcome(t, sdktest.ListAnalyzers(c), "OK", 200)
			return time.Since(began)
		}
		if d := took(); d < 20*time.Millisecond || d > 30*time.Millisecond {
			t.Errorf("a response took %s", d)
		}
		s.AddFault(&simaws.Fault{Kind: simaws.Latency, Delay: time.Second})
		s.AddFault(&simaws.Fault{Kind: simaws.Latency, Delay: time.Second, Account: sdktest.Security})
		if d := took(); d < 2020*time.Millisecond || d > 2030*time.Millisecond {
			t.Errorf("with a latency of two seconds more, a response took %s", d)
		}
	})
}

func TestSlowBody(t *testing.T) {
	sdktest.Bubble(t, sdktest.NewWorld(), simaws.Options{}, func(t *testing.T, s *simaws.Server, c sdktest.Clients) {
		s.AddFault(&simaws.Fault{Kind: simaws.SlowBody, Delay: time.Second})
		began := time.Now()
		sdktest.WantOutcome(t, sdktest.ListAnalyzers(c), "OK", 200)
		if got, want := time.Since(began), time.Duration(len(`{"analyzers":[]}`))*time.Second; got != want {
			t.Errorf("the response took %s, want %s", got, want)
		}
	})
}

func TestRateLimits(t *testing.T) {
	w := sdktest.NewWorld()
	w.Quirks.RateLimits = true
	sdktest.Bubble(t, w, simaws.Options{}, func(t *testing.T, s *simaws.Server, c sdktest.Clients) {
		for i := range 10 {
			want := "OK"
			if i >= 5 {
				want = "TooManyRequestsException"
			}
			if code, _ := sdktest.Outcome(sdktest.ListRegions(c)); code != want {
				t.Errorf("call %d: %s, want %s", i, code, want)
			}
		}
		time.Sleep(time.Second)
		for i := range 6 {
			want := "OK"
			if i >= 5 {
				want = "TooManyRequestsException"
			}
			if code, _ := sdktest.Outcome(sdktest.ListRegions(c)); code != want {
				t.Errorf("call %d a second later: %s, want %s", i, code, want)
			}
		}
		sdktest.WantOutcome(t, sdktest.ListAnalyzers(c), "OK", 200)
	})
}
