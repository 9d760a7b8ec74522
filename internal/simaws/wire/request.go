package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/iam"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// Request is a call of an operation. The world is locked for reading while the
// operation's functions run, except for Wait.
type Request struct {
	*world.Index
	Service   *Service
	Operation *Operation
	Now       time.Time
	// ClockSkew is how far the clock of AWS is ahead of Now.
	ClockSkew time.Duration
	Caller    iam.Identity
	// Region is that of the signature.
	Region string
	// Subject is the account that the call is about: the owner of the role of an
	// AssumeRole, the account whose Regions are requested, else the caller's.
	Subject string
	// Path is that of REST-JSON, without the leading slash.
	Path  []string
	Query url.Values
	Body  []byte
	// RepeatToken makes lists endless.
	RepeatToken bool
	// CapitalMessage is whether an error in JSON has the member Message rather
	// than message. AWS sends either.
	CapitalMessage bool
}

// Operation is an operation of a service.
type Operation struct {
	Name string
	// Action is the IAM action that authorizes it; empty is none.
	Action string
	// Resource is the ARN that the action applies to; nil is "*".
	Resource func(*Request) string
	// Subject is nil if the call is about the caller's own account.
	Subject func(*Request) string
	// RegionDisabled is the error in a Region that the subject has not enabled;
	// nil is that of an invalid security token.
	RegionDisabled func(*Request) *Error
	// Wait, if not nil, blocks until the response is available or ctx is done.
	Wait func(context.Context, *world.Store, *Request)
	// Handle returns a value that the protocol of the service can encode.
	Handle func(*Request) (any, *Error)

	// unknown is whether Get made it up.
	unknown bool
}

// Simulated reports whether the operation is one that a service has.
func (o *Operation) Simulated() bool { return !o.unknown }

// Operations are the operations of a service by name.
type Operations map[string]*Operation

// NewOperations returns the operations by name.
func NewOperations(operations ...*Operation) Operations {
	m := make(Operations, len(operations))
	for _, op := range operations {
		m[op.Name] = op
	}
	return m
}

// Get returns an operation by name. An unknown one responds with an error.
func (o Operations) Get(name string) *Operation {
	if op := o[name]; op != nil {
		return op
	}
	return &Operation{Name: name, unknown: true, Handle: func(q *Request) (any, *Error) {
		if q.Service.Protocol == QueryXML {
			return nil, q.Service.Errorf(UnknownOperation, "Could not find operation %s for version %s", name, q.Query.Get("Version"))
		}
		return nil, q.Service.Errorf(UnknownOperation, "The operation is not known: %s:%s", q.Service.Name, name)
	}}
}

// DecodeJSON decodes the body; an absent one is an empty object.
func (q *Request) DecodeJSON(in any) *Error {
	if len(q.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(q.Body, in); err != nil {
		e := q.Service.Errorf(InvalidInput, "The request body could not be parsed: %v", err)
		e.Fields = map[string]any{"reason": "cannotParse"}
		return e
	}
	return nil
}

// Action is the IAM action of the call.
func (q *Request) Action() string {
	return cmp.Or(q.Operation.Action, q.Service.Name+":"+q.Operation.Name)
}

// Denied is the error of a call without permission. The reason is worded as AWS
// documents it; empty is none.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (q *Request) Denied(reason string) *Error {
	resource := "*"
	if q.Operation.Resource != nil {
		resource = q.Operation.Resource(q)
	}
	if reason != "" {
		reason = " " + reason
	}
	return q.Service.Errorf(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s%s", q.Caller.ARN, q.Action(), resource, reason)
}

// DeniedByIdentity is the error of a call that no identity-based policy allows.
func (q *Request) DeniedByIdentity() *Error {
	return q.Denied("because no identity-based policy allows the " + q.Action() + " action")
}

// DeniedBySession is the error of a call that the session policy does not allow.
func (q *Request) DeniedBySession() *Error {
	return q.Denied("because no session policy allows the " + q.Action() + " action")
}

// DeniedByResource is the error of a call on a resource of another account.
func (q *Request) DeniedByResource() *Error {
	return q.Denied("because no resource-based policy allows the " + q.Action() + " action")
}
