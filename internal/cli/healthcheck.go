package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

// healthcheckCommand queries an exporter on the same machine, for images without
// a shell or curl. Its flags share the names and environment variables of serve's.
type healthcheckCommand struct {
	Ready         bool          `name:"ready" env:"-" help:"Query readiness (first sweep published) instead of liveness."`
	Timeout       time.Duration `name:"timeout" env:"-" default:"3s" help:"Timeout of the request. Default 3s."`
	ListenAddress []string      `name:"web.listen-address" default:":10289" placeholder:"ADDRESS" help:"Addresses on which the exporter listens; the first one is queried. Default :10289."`
	HealthAddress string        `name:"web.health-listen-address" placeholder:"ADDRESS" help:"Address of the exporter's listener for probes. If set, it is queried instead."`
	ConfigFile    string        `name:"web.config.file" type:"path" placeholder:"FILE" help:"Path to the exporter's web configuration file, which determines whether it serves TLS."`
}

// Run returns an error unless the exporter is healthy.
func (c healthcheckCommand) Run(ctx context.Context) error {
	address, path := c.ListenAddress[0], "/-/healthy"
	if c.Ready {
		path = "/-/ready"
	}
	if c.HealthAddress != "" {
		address, c.ConfigFile = c.HealthAddress, ""
	}
	if strings.Contains(address, "://") {
		return fmt.Errorf("--web.listen-address=%s: only TCP addresses are supported", address)
	}
	scheme, err := c.scheme()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost"+path, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		// Dial takes an address without a host for the local machine.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		// The certificate is issued for the external name. The request carries
		// no secret and the response is not trusted.
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	response, err := transport.RoundTrip(request)
	if wantsCertificate(err) {
		return c.unauthorized(address)
	}
	if err != nil {
		return fmt.Errorf("no response from %s: %w", address, err)
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return c.unauthorized(address)
	}
	return fmt.Errorf("%s returned %s for %s", address, response.Status, path)
}

// unauthorized is for a server that requires credentials: it is alive, and may not
// be ready.
func (c healthcheckCommand) unauthorized(address string) error {
	if !c.Ready {
		return nil
	}
	return fmt.Errorf("%s requires credentials, so its readiness is unknown; start the exporter with --web.health-listen-address and query that", address)
}

// wantsCertificate reports whether a TLS server closed the connection because
// it requires a client certificate.
func wantsCertificate(err error) bool {
	var closed *net.OpError
	return errors.As(err, &closed) && closed.Op == "remote error"
}

func (c healthcheckCommand) scheme() (string, error) {
	if c.ConfigFile == "" {
		return "http", nil
	}
	text, err := config.ReadFile(c.ConfigFile, config.MaxSize)
	if err != nil {
		return "", fmt.Errorf("--web.config.file: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return "", fmt.Errorf("--web.config.file: %s: %w", c.ConfigFile, err)
	}
	if document.IsZero() {
		return "http", nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return "", fmt.Errorf("--web.config.file: %s:%d: not a web configuration: want keys such as tls_server_config", c.ConfigFile, root.Line)
	}
	var server struct {
		TLS *yaml.Node `yaml:"tls_server_config"`
	}
	if err := root.Decode(&server); err != nil {
		return "", fmt.Errorf("--web.config.file: %s: %w", c.ConfigFile, err)
	}
	if server.TLS == nil {
		return "http", nil
	}
	return "https", nil
}
