package simaws

import (
	"encoding/base64"
	"hash/fnv"
	"strconv"
	"strings"
)

// defaultPageSizes are used where World.PageSizes names none: AWS' documented
// limits, and for Access Analyzer, which documents none, what has been seen to
// work.
var defaultPageSizes = map[string]int{
	"ListAccounts":                        20,
	"ListDelegatedAdministrators":         20,
	"ListAWSServiceAccessForOrganization": 20,
	"ListRegions":                         50,
}

// defaultPageSize is that of Access Analyzer's lists.
const defaultPageSize = 1000

// pageSize is how many items the page of this request has.
func (q *request) pageSize(limit int) int {
	size, ok := q.world.PageSizes[q.op.name]
	if !ok {
		size, ok = defaultPageSizes[q.op.name]
	}
	if !ok {
		size = defaultPageSize
	}
	if limit > 0 {
		size = min(size, limit)
	}
	return size
}

// token packs where a list goes on. It is only good for the same list of the
// same account, as AWS' tokens are.
func (q *request) token(position string, parameters ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(q.fingerprint(parameters) + position))
}

// position unpacks a token. An absent one is "", what begins the list; ok is
// false for a token that is not one of this list's.
func (q *request) position(token string, parameters ...string) (position string, ok bool) {
	if token == "" || q.repeatToken {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(b), q.fingerprint(parameters))
}

func (q *request) fingerprint(parameters []string) string {
	h := fnv.New64a()
	for _, p := range append([]string{q.op.name, q.who.accountID, q.region}, parameters...) {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return strconv.FormatUint(h.Sum64(), 36) + "/"
}

// paginate cuts the page out of items that a token and a limit (0 for none)
// ask for. The parameters tell lists of one operation apart.
func paginate[T any](q *request, items []T, limit int, token string, parameters ...string) (page []T, next string, _ *apiError) {
	position, ok := q.position(token, parameters...)
	start := 0
	if ok && position != "" {
		var err error
		start, err = strconv.Atoi(position)
		ok = err == nil && start >= 0
	}
	if !ok {
		return nil, "", q.badToken()
	}
	if token == "" && q.world.Quirks.EmptyPages && !q.repeatToken {
		return nil, q.token("0", parameters...), nil
	}
	start = min(start, len(items))
	end := min(start+q.pageSize(limit), len(items))
	switch {
	case q.repeatToken:
		next = q.token("0", parameters...)
	case end < len(items):
		next = q.token(strconv.Itoa(end), parameters...)
	}
	return items[start:end], next, nil
}

// badToken is what the service answers to a token that it did not give.
func (q *request) badToken() *apiError {
	const message = "The next token is invalid."
	switch q.svc {
	case accessAnalyzer:
		return invalid("nextToken", message)
	case organizations:
		e := q.svc.errorf(invalidInput, "%s", message)
		e.Fields = map[string]any{"Reason": "INVALID_NEXT_TOKEN"}
		return e
	}
	e := q.svc.errorf(invalidInput, "%s", message)
	e.Fields = map[string]any{"reason": "fieldValidationFailed"}
	return e
}
