package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// healthcheckCommand asks an exporter on the same machine how it is, for
// images that have no shell and no curl. It reads the flags of serve, and so
// the same environment variables.
type healthcheckCommand struct {
	Ready         bool          `name:"ready" env:"-" help:"Ask whether a first sweep has been published, not only whether the exporter is alive."`
	Timeout       time.Duration `name:"timeout" env:"-" default:"3s" help:"How long to wait for the answer. Default 3s."`
	ListenAddress []string      `name:"web.listen-address" default:":10289" placeholder:"ADDRESS" help:"Where the exporter listens; the first one is asked. Default :10289."`
	ConfigFile    string        `name:"web.config.file" type:"path" placeholder:"FILE" help:"The exporter's web configuration, which says whether it speaks TLS."`
}

// Run returns an error unless the exporter is well.
func (c healthcheckCommand) Run(ctx context.Context) error {
	address, path := c.ListenAddress[0], "/-/healthy"
	if c.Ready {
		path = "/-/ready"
	}
	if strings.Contains(address, "://") {
		return fmt.Errorf("--web.listen-address=%s: only TCP addresses can be asked", address)
	}
	scheme, err := c.scheme()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+name+path, http.NoBody)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		// An address without a host is one of this machine for Dial, too.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		// The certificate is for the name that others use, nothing secret is
		// sent, and nothing that is received is trusted.
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	response, err := transport.RoundTrip(request)
	if wantsCertificate(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("no answer from %s: %w", address, err)
	}
	defer func() { _ = response.Body.Close() }()
	// Who asks for a password is alive, and does not say more to those who
	// have none.
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s answers %s to %s", address, response.Status, path)
	}
	return nil
}

// wantsCertificate tells whether a TLS server refused to talk for want of a
// client's certificate: it is alive.
func wantsCertificate(err error) bool {
	var refused *net.OpError
	return errors.As(err, &refused) && refused.Op == "remote error"
}

func (c healthcheckCommand) scheme() (string, error) {
	if c.ConfigFile == "" {
		return "http", nil
	}
	text, err := os.ReadFile(c.ConfigFile)
	if err != nil {
		return "", fmt.Errorf("--web.config.file: %w", err)
	}
	var config struct {
		TLS *yaml.Node `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return "", fmt.Errorf("--web.config.file: %s: %w", c.ConfigFile, err)
	}
	if config.TLS == nil {
		return "http", nil
	}
	return "https", nil
}
