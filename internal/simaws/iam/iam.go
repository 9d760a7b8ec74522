// Package iam resolves access keys to identities: the long-term keys of IAM
// users, and the sessions of assumed roles.
package iam

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// Identity is an authenticated caller.
type Identity struct {
	AccountID, AccessKeyID string
	// ARN and UserID are the response to GetCallerIdentity.
	ARN, UserID string
	// Actions are the IAM actions that its policies allow; nil is all.
	Actions []string
	// SessionActions are the actions that its session policy allows; nil is no
	// session policy.
	SessionActions []string
	// SessionTags is as in world.Caller.
	SessionTags int
	// Session reports whether the identity is an assumed role.
	Session bool
}

// Allows reports whether the policies of the identity and of its session allow an
// action.
func (i *Identity) Allows(action string) bool {
	return matches(i.Actions, action) && matches(i.SessionActions, action)
}

// DeniedBySession reports whether only the session policy does not allow an action.
func (i *Identity) DeniedBySession(action string) bool {
	return matches(i.Actions, action) && !matches(i.SessionActions, action)
}

func matches(patterns []string, action string) bool {
	return patterns == nil || slices.ContainsFunc(patterns, func(pattern string) bool {
		return world.Match(strings.ToLower(pattern), strings.ToLower(action))
	})
}

// TrustedBy reports whether the trust policy of a role allows the identity to
// assume it.
func (i *Identity) TrustedBy(role *world.Role) bool {
	return slices.ContainsFunc(role.Trusts, func(p string) bool {
		return p == "*" || p == i.AccountID || p == "arn:aws:iam::"+i.AccountID+":root" || p == i.principal()
	})
}

// principal is the ARN in a trust policy: for a session, that of the role.
func (i *Identity) principal() string {
	if !i.Session {
		return i.ARN
	}
	p := strings.Split(i.ARN, "/")
	return "arn:aws:iam::" + i.AccountID + ":role/" + p[1]
}

// Long-term access keys contain the account ID, so that they need no storage.
const accessKeyPrefix = "AKIASIMU"

// AccessKey returns the long-term access key of the IAM user in an account.
func AccessKey(accountID string) (id, secret string) {
	id = accessKeyPrefix + accountID
	sum := sha256.Sum256([]byte("simulated secret of " + id))
	return id, base64.StdEncoding.EncodeToString(sum[:])[:40]
}

// Session holds the credentials of an assumed role.
type Session struct {
	RoleID, Secret, Token string
	Expires               time.Time

	accountID, roleName, name string
	// actions are those of the session policy.
	actions []string
}

// ARN is the ARN of the assumed-role user.
func (s *Session) ARN() string {
	return "arn:aws:sts::" + s.accountID + ":assumed-role/" + s.roleName + "/" + s.name
}

// UserID is the unique ID of the assumed-role user.
func (s *Session) UserID() string { return s.RoleID + ":" + s.name }

// Sessions stores sessions for an hour after they expire: until then their
// credentials are rejected as expired, after that as unknown.
type Sessions struct {
	mu sync.RWMutex
	m  map[string]*Session
	// pruneAt is the size at which the next insertion removes old sessions.
	pruneAt int
}

const minPruneSize = 1024

// Assume creates a session of a role. The actions are those of the session policy.
func (s *Sessions) Assume(accountID string, role *world.Role, name string, actions []string, now time.Time, d time.Duration) (accessKeyID string, _ *Session) {
	session := &Session{
		accountID: accountID, roleName: role.Name, actions: actions, RoleID: RoleID(role, accountID), name: name,
		Secret: randomText(30), Token: randomText(180), Expires: now.Add(d).UTC().Truncate(time.Second),
	}
	var b [10]byte
	rand.Read(b[:])
	accessKeyID = "ASIA" + base32.StdEncoding.EncodeToString(b[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m, s.pruneAt = map[string]*Session{}, minPruneSize
	}
	if len(s.m) >= s.pruneAt {
		for id, old := range s.m {
			if now.Sub(old.Expires) > time.Hour {
				delete(s.m, id)
			}
		}
		s.pruneAt = max(minPruneSize, 2*len(s.m))
	}
	s.m[accessKeyID] = session
	return accessKeyID, session
}

func (s *Sessions) get(accessKeyID string) *Session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[accessKeyID]
}

func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// The errors of Resolve.
var (
	ErrUnknown = errors.New("unknown access key")
	ErrExpired = errors.New("expired session")
)

// Resolve returns the identity of an access key, and the secrets that sign its
// requests. now is the time at AWS. The caller of a known access key is also set after an error.
func (s *Sessions) Resolve(x *world.Index, accessKeyID string, now time.Time) (who Identity, secret, token string, _ error) {
	who.AccessKeyID = accessKeyID
	if id, ok := strings.CutPrefix(accessKeyID, accessKeyPrefix); ok {
		account := x.Account(id)
		if account == nil || !account.CanCall() {
			return who, "", "", ErrUnknown
		}
		c := x.World.ResolvedCaller()
		who.AccountID, who.UserID = id, "AIDASIMU"+id
		who.ARN = "arn:aws:iam::" + id + ":user/" + c.Name
		if c.AccountID == id {
			who.Actions, who.SessionTags = c.Actions, c.SessionTags
		}
		_, secret = AccessKey(id)
		return who, secret, "", nil
	}
	session := s.get(accessKeyID)
	if session == nil {
		return who, "", "", ErrUnknown
	}
	account := x.Account(session.accountID)
	who.AccountID, who.Session, who.ARN, who.UserID = session.accountID, true, session.ARN(), session.UserID()
	if account == nil || !account.CanCall() {
		return who, "", "", ErrUnknown
	}
	role := account.Role(session.roleName)
	if role == nil || RoleID(role, session.accountID) != session.RoleID {
		return who, "", "", ErrUnknown
	}
	if !now.Before(session.Expires) {
		return who, "", "", ErrExpired
	}
	who.Actions, who.SessionActions = role.Actions, session.actions
	return who, session.Secret, session.Token, nil
}

// RoleID is the unique ID of a role: AROA and 17 characters.
func RoleID(r *world.Role, accountID string) string {
	if r.ID != "" {
		return r.ID
	}
	return UniqueID("AROA", accountID, r.Name)
}

// UniqueID is the unique ID of a name in an account: a prefix and 17 characters.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func UniqueID(prefix, accountID, name string) string {
	sum := sha256.Sum256([]byte(accountID + "/" + name))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}
