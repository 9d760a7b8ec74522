package wire

import (
	"encoding/base64"
	"hash/fnv"
	"strconv"
	"strings"
)

// PageSize is the number of items on the page of this request; a limit of 0 is
// none.
func (q *Request) PageSize(limit int) int {
	size := q.World.PageSize(q.Operation.Name)
	if limit > 0 {
		size = min(size, limit)
	}
	return size
}

// PageToken encodes where a list continues. It is valid for the same list of
// the same account only, as at AWS.
func (q *Request) PageToken(position string, parameters ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(q.fingerprint(parameters) + position))
}

// Position decodes a page token. The position is empty at the start of the
// list; ok is false if the token belongs to another list.
func (q *Request) Position(token string, parameters ...string) (position string, ok bool) {
	if token == "" || q.RepeatToken {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(b), q.fingerprint(parameters))
}

func (q *Request) fingerprint(parameters []string) string {
	h := fnv.New64a()
	for _, p := range append([]string{q.Operation.Name, q.Caller.AccountID, q.Region}, parameters...) {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return strconv.FormatUint(h.Sum64(), 36) + "/"
}

// Paginate returns the page of items at a token, with up to limit items (0 is
// no limit), and the next token. The parameters distinguish lists of the same
// operation.
func Paginate[T any](q *Request, items []T, limit int, token string, parameters ...string) (page []T, next string, _ *Error) {
	position, ok := q.Position(token, parameters...)
	start := 0
	if ok && position != "" {
		var err error
		start, err = strconv.Atoi(position)
		ok = err == nil && start >= 0
	}
	if !ok {
		return nil, "", &q.Service.InvalidPageToken
	}
	if token == "" && q.World.Quirks.EmptyPages && !q.RepeatToken {
		return nil, q.PageToken("0", parameters...), nil
	}
	start = min(start, len(items))
	end := min(start+q.PageSize(limit), len(items))
	switch {
	case q.RepeatToken:
		next = q.PageToken("0", parameters...)
	case end < len(items):
		next = q.PageToken(strconv.Itoa(end), parameters...)
	}
	return items[start:end], next, nil
}
