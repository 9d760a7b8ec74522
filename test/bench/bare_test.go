package bench

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/gc"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// bare sends the requests of a sweep, signed with the credentials of the same
// roles, and decodes the same JSON, with net/http only.
type bare struct {
	client   *http.Client
	signer   *v4.Signer
	accounts []aws.Credentials
	endpoint string
	// regional are SDK clients by Region, used instead of net/http if not nil.
	regional map[string]*accessanalyzer.Client
}

// playBare answers each line with one round over all targets, by net/http or
// by the SDK with its defaults.
func playBare(sdk bool) {
	gc.Tune(context.Background(), func() int { return int(targets()) })
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, *concurrency
	c := &bare{client: &http.Client{Transport: transport}, signer: v4.NewSigner(), endpoint: os.Getenv("AWS_ENDPOINT_URL")}
	if err := c.assumeRoles(context.Background()); err != nil {
		panic(err)
	}
	if sdk {
		if err := c.useSDK(context.Background()); err != nil {
			panic(err)
		}
	}
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		_ = out.Encode(measure(c.sweep))
	}
}

// assumeRoles retrieves the credentials of all accounts. It is not measured.
func (c *bare) assumeRoles(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(cfg)
	for i := range *accounts {
		provider := cfg.Credentials
		if id(i) != admin {
			provider = stscreds.NewAssumeRoleProvider(client, "arn:aws:iam::"+id(i)+":role/"+role)
		}
		creds, err := provider.Retrieve(ctx)
		if err != nil {
			return err
		}
		c.accounts = append(c.accounts, creds)
	}
	return nil
}

// useSDK makes a client for each Region, over one pool of connections.
func (c *bare) useSDK(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(c.client))
	if err != nil {
		return err
	}
	c.regional = map[string]*accessanalyzer.Client{}
	for _, region := range simaws.DefaultRegions {
		c.regional[region] = accessanalyzer.NewFromConfig(cfg, func(o *accessanalyzer.Options) { o.Region = region })
	}
	return nil
}

type call struct {
	creds  *aws.Credentials
	region string
}

// sweep calls in random order, as the exporter does.
func (c *bare) sweep() (failure string) {
	var calls []call
	for i := range c.accounts {
		for _, region := range simaws.DefaultRegions {
			calls = append(calls, call{&c.accounts[i], region})
		}
	}
	rand.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	empty := sha256.Sum256(nil)
	hash := hex.EncodeToString(empty[:])
	queue := make(chan call)
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for range *concurrency {
		wg.Go(func() {
			for one := range queue {
				if err := c.do(context.Background(), one, hash); err != nil {
					mu.Lock()
					failure = err.Error()
					mu.Unlock()
				}
			}
		})
	}
	for _, one := range calls {
		queue <- one
	}
	close(queue)
	wg.Wait()
	return failure
}

func (c *bare) do(ctx context.Context, one call, hash string) error {
	if client := c.regional[one.region]; client != nil {
		_, err := client.ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{}, func(o *accessanalyzer.Options) {
			o.Credentials = credentials.StaticCredentialsProvider{Value: *one.creds}
		})
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+"/analyzer", nil)
	if err != nil {
		return err
	}
	if err := c.signer.SignHTTP(ctx, *one.creds, request, hash, "access-analyzer", one.region, time.Now()); err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var page struct {
		Analyzers []struct {
			Arn, Name, Type, Status string
			CreatedAt               time.Time
			StatusReason            *struct{ Code string }
		}
		NextToken string
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
