package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// The organization that most of what can go wrong happens to.
const (
	labManagement = "111111111111"
	labHub        = "222222222222"
	labAlpha      = "333333333333"
	labBeta       = "444444444444"
	labConfig     = "{accounts: {discovery: organization}, assume_role: {name: exporter}, regions: {include: [us-east-1, eu-west-1, eu-south-1]}, stale_after: 30m}"
)

// labWorld has an organization analyzer in one Region, and analyzers of their
// own in some accounts of the two others. eu-south-1 is opted in.
func labWorld() *simaws.World {
	w := &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: labManagement, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {labHub}},
		},
		Analyzers: []*simaws.Analyzer{
			{AccountID: labHub, Region: "us-east-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"},
			{AccountID: labHub, Region: "eu-west-1", Name: "own", Type: "ACCOUNT", Status: "ACTIVE"},
			{AccountID: labAlpha, Region: "eu-west-1", Name: "own", Type: "ACCOUNT", Status: "ACTIVE"},
			{AccountID: labAlpha, Region: "eu-south-1", Name: "own", Type: "ACCOUNT", Status: "DISABLED"},
			{AccountID: labBeta, Region: "eu-south-1", Name: "own", Type: "ACCOUNT", Status: "ACTIVE"},
			{AccountID: labManagement, Region: "eu-south-1", Name: "own", Type: "ACCOUNT", Status: "ACTIVE"},
		},
	}
	for id, name := range map[string]string{labManagement: "management", labHub: "security", labAlpha: "alpha", labBeta: "beta"} {
		w.Accounts = append(w.Accounts, &simaws.Account{ID: id, Name: name, Regions: simaws.Regions("eu-south-1"), Roles: labRoles()})
	}
	for _, resource := range []string{"arn:aws:s3:::one", "arn:aws:s3:::two"} {
		w.Analyzers[2].AddFinding(simaws.Finding{Type: "ExternalAccess", Resource: resource, ResourceType: "AWS::S3::Bucket", Owner: labAlpha}, time.Now())
	}
	return w
}

func labRoles() []*simaws.Role { return []*simaws.Role{{Name: "exporter", Trusts: []string{labHub}}} }

// lab is the exporter as the program wires it, before a simulated AWS in
// memory: inside a synctest bubble, with a clock that waits for nobody. Only
// the listener of the program is missing.
type lab struct {
	t          *testing.T
	aws        *simaws.Server
	supervisor *app.Supervisor
	exporter   *collector.Exporter
	log        *buffer
	started    time.Time
	// begin has the exporter sweep. The first until calls it, so that what is
	// broken before is broken for the first sweep too.
	begin func()

	mu sync.Mutex
	// settings is the text of the configuration.
	settings string
	// refuse has the hosts that cannot be reached, by name or *.name.
	refuse map[string]error
	// impostor answers in the place of a host, with another's certificate.
	impostor string
}

// inLab runs a test with a lab of its own.
func inLab(t *testing.T, settings string, tlsNames bool, world func() *simaws.World, test func(*lab)) {
	t.Helper()
	labEnvironment(t, tlsNames)
	synctest.Test(t, func(t *testing.T) {
		pipe := simaws.NewPipe()
		l := &lab{
			t: t, exporter: collector.New(), log: &buffer{},
			started: time.Now(), settings: settings, refuse: map[string]error{},
		}
		var listener net.Listener = pipe
		if tlsNames {
			listener = tls.NewListener(pipe, l.amazonTLS())
		}
		l.aws = simaws.New(world(), simaws.Options{Listener: listener})
		if err := l.aws.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.aws.Close() }()
		options := app.Options{
			Exporter: l.exporter, Shard: app.Unsharded, Logger: slog.New(slog.NewTextHandler(l.log, nil)),
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if err := l.refused(address); err != nil {
					return nil, err
				}
				return pipe.DialContext(ctx, network, address)
			},
		}
		ctx, cancel := context.WithCancel(context.Background())
		var err error
		if l.supervisor, err = app.NewSupervisor(ctx, l.load, options); err != nil {
			cancel()
			t.Fatal(err)
		}
		var running sync.WaitGroup
		l.begin = sync.OnceFunc(func() { running.Go(func() { l.supervisor.Run(ctx) }) })
		defer func() { cancel(); running.Wait() }()
		test(l)
	})
}

// labEnvironment makes the SDK start with the hub's credentials, and look for
// AWS where the lab's dialling leads.
func labEnvironment(t *testing.T, tlsNames bool) {
	env := simaws.New(labWorld(), simaws.Options{}).Env()
	if env["AWS_ENDPOINT_URL"] = "http://simaws.invalid"; tlsNames {
		env["AWS_ENDPOINT_URL"], env["AWS_CA_BUNDLE"] = "", amazonCA(t)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func (l *lab) load() (*config.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return config.Parse("config.yaml", []byte(l.settings))
}

func (l *lab) refused(address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	host, _, _ := strings.Cut(address, ":")
	for name, err := range l.refuse {
		if suffix, wild := strings.CutPrefix(name, "*"); host == name || wild && strings.HasSuffix(host, suffix) {
			return err
		}
	}
	return nil
}

// unreachable lets hosts fail to be reached until they are mended.
func (l *lab) unreachable(err error, hosts ...string) (mend func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		l.refuse[h] = err
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, h := range hosts {
			delete(l.refuse, h)
		}
	}
}

// impersonate lets somebody else answer for a host; "" ends it.
func (l *lab) impersonate(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.impostor = host
}

func (l *lab) impersonated() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.impostor
}

// fault lets calls go wrong until they are mended.
func (l *lab) fault(faults ...simaws.Fault) (mend func()) {
	var all []func()
	for i := range faults {
		all = append(all, l.aws.AddFault(&faults[i]))
	}
	return func() {
		for _, remove := range all {
			remove()
		}
	}
}

// until lets time pass until a moment counted from the start, and looks at
// what is exposed every few minutes.
func (l *lab) until(at time.Duration, look func(exposed)) {
	l.t.Helper()
	l.begin()
	for {
		left := at - time.Since(l.started)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 5*time.Minute))
		synctest.Wait()
		if look != nil {
			look(l.scrape())
		}
	}
}

// change changes an account of the world.
func (l *lab) change(id string, f func(*simaws.Account)) {
	l.aws.Update(func(w *simaws.World) { f(w.Account(id)) })
}

// exposed is what one scrape shows, places written as account/Region.
type exposed struct {
	coverage, success map[string]float64
	// errors are the reasons, by place.
	errors map[string][]string
	// findings are the counts of findings, by place of the analyzer.
	findings map[string]float64
	families map[string]*dto.MetricFamily
}

func (l *lab) scrape() exposed {
	l.t.Helper()
	w := httptest.NewRecorder()
	l.exporter.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	e := exposed{
		coverage: series(families["aws_access_analyzer_coverage"], "account_id", "region"),
		success:  series(families["aws_access_analyzer_scrape_success"], "account_id", "region"),
		errors:   map[string][]string{}, findings: map[string]float64{}, families: families,
	}
	for key := range series(families["aws_access_analyzer_scrape_error"], "account_id", "region", "operation", "reason") {
		p := strings.Split(key, "/")
		e.errors[p[0]+"/"+p[1]] = append(e.errors[p[0]+"/"+p[1]], p[3])
	}
	for key, n := range series(families["aws_access_analyzer_findings"], "analyzer_account_id", "region", "status", "resource_type", "public") {
		p := strings.Split(key, "/")
		e.findings[p[0]+"/"+p[1]] += n
	}
	return e
}

// truth is the coverage of every place of the world as it is.
func (l *lab) truth() map[string]float64 {
	truth := map[string]float64{}
	l.aws.View(func(w *simaws.World) {
		admins := append([]string{w.Organization.ManagementID}, w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal]...)
		for _, a := range w.Accounts {
			if a.State != "" && a.State != "ACTIVE" && a.State != "PENDING_CLOSURE" {
				continue
			}
			for _, r := range a.Regions {
				if !slices.Contains([]string{"us-east-1", "eu-west-1", "eu-south-1"}, r.Name) || !strings.HasPrefix(r.Status, "ENABLED") {
					continue
				}
				truth[a.ID+"/"+r.Name] = 0
				for _, analyzer := range w.Analyzers {
					own := analyzer.Type == "ACCOUNT" && analyzer.AccountID == a.ID
					organizations := analyzer.Type == "ORGANIZATION" && slices.Contains(admins, analyzer.AccountID) && !a.Standalone
					if analyzer.Status == "ACTIVE" && analyzer.Region == r.Name && (own || organizations) {
						truth[a.ID+"/"+r.Name] = 1
					}
				}
			}
		}
	})
	return truth
}

// right reports whatever is exposed that is not so.
func (e exposed) right(t *testing.T, truth map[string]float64) {
	t.Helper()
	for place, got := range e.coverage {
		if want, ok := truth[place]; !ok || got != want {
			t.Errorf("%s is %v, the truth is %v (there: %v)", place, got, want, ok)
		}
	}
}

// unknown are the places of which nothing is told.
func (e exposed) unknown(truth map[string]float64) []string {
	var places []string
	for _, place := range slices.Sorted(maps.Keys(truth)) {
		if _, ok := e.coverage[place]; !ok {
			places = append(places, place)
		}
	}
	return places
}

// whole reports whether everything is told and nothing fails.
func (e exposed) whole(truth map[string]float64) bool {
	return maps.Equal(e.coverage, truth) && len(e.errors) == 0 && !slices.Contains(slices.Collect(maps.Values(e.success)), 0)
}

// lines counts the lines of the log of a level.
func (l *lab) lines(level string) int { return strings.Count(l.log.String(), "level="+level) }

type authority struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

// amazon is the authority that vouches for AWS' names in labs.
var amazon = sync.OnceValue(func() (a authority) {
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulated authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return a
})

// issue makes a certificate of the authority, for a server or a client.
func issue(names ...string) tls.Certificate {
	a := amazon()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotBefore: a.root.NotBefore, NotAfter: a.root.NotAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, &a.key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

func (l *lab) amazonTLS() *tls.Config {
	var mu sync.Mutex
	issued := map[string]*tls.Certificate{}
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		name := hello.ServerName
		if name == l.impersonated() {
			name = "impostor.invalid"
		}
		if issued[name] == nil {
			c := issue(name)
			issued[name] = &c
		}
		return issued[name], nil
	}}
}

// amazonCA writes the authority's certificate to a file.
func amazonCA(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: amazon().root.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func place(account, region string) string { return fmt.Sprintf("%s/%s", account, region) }
