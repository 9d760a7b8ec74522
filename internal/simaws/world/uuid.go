package world

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"regexp"
)

// NewUUID returns a random UUID (version 4). It is not a secret.
func NewUUID() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	return FormatUUID(b)
}

// IsUUID reports whether s has the form of a UUID that NewUUID returns.
func IsUUID(s string) bool { return uuid.MatchString(s) }

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// FormatUUID formats 16 bytes as a UUID of version 4.
func FormatUUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
