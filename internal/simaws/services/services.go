// Package services implements the operations of the simulated AWS services, one
// file a service, and the events that EventBridge delivers.
package services

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/iam"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
)

// Services are the simulated services.
type Services struct {
	accessAnalyzer, sts wire.Operations
}

// New returns the services. AssumeRole adds to sessions.
func New(sessions *iam.Sessions) *Services {
	return &Services{
		accessAnalyzer: accessAnalyzerOperations(&statisticsCache{}),
		sts:            stsOperations(sessions),
	}
}

// Route sets the service, the operation, the path and the query of a request.
// AWS distinguishes services by host name; here their requests differ in shape.
// An operation that is not simulated belongs to the service that it is signed for.
func (s *Services) Route(r *http.Request, q *wire.Request) {
	s.route(r, q)
	if signed := wire.SignedService(r); signed != "" && signed != q.Service.Name && !q.Operation.Simulated() {
		q.Service = &wire.Service{Name: signed, Protocol: q.Service.Protocol, Namespace: q.Service.Namespace}
		for _, known := range []*wire.Service{accessAnalyzer, accountManagement, organizations, securityToken, simpleQueue, identityAccess} {
			if known.Name == signed {
				q.Service = known
			}
		}
	}
}

func (s *Services) route(r *http.Request, q *wire.Request) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		if name, ok := strings.CutPrefix(target, "AmazonSQS."); ok {
			q.Service, q.Operation = simpleQueue, sqsOperations.Get(name)
			return
		}
		_, name, _ := strings.Cut(target, ".")
		q.Service, q.Operation = organizations, wire.Operations(nil).Get(name)
		if strings.HasPrefix(target, "AWSOrganizationsV20161128.") {
			q.Operation = organizationsOperations.Get(name)
		}
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(q.Body))
		if err != nil {
			form = url.Values{}
		}
		q.Query = form
		if form.Get("Version") == iamVersion {
			q.Service, q.Operation = identityAccess, iamOperations.Get(form.Get("Action"))
			return
		}
		q.Service, q.Operation = securityToken, s.sts.Get(form.Get("Action"))
		return
	}
	q.Path = strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q.Query = r.URL.Query()
	if name := accountRoute(r.Method, q.Path); name != "" {
		q.Service, q.Operation = accountManagement, accountOperations.Get(name)
		return
	}
	q.Service, q.Operation = accessAnalyzer, s.accessAnalyzer.Get(cmp.Or(accessAnalyzerRoute(r.Method, q.Path), r.Method+" "+r.URL.Path))
}
