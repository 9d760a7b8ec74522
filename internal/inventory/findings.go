package inventory

import "time"

// NewFindings returns an empty count.
func NewFindings() *Findings {
	return &Findings{
		Counts:       map[FindingKey]int{},
		Errors:       map[FindingErrorKey]int{},
		OldestActive: map[OldestKey]time.Time{},
	}
}

// Add counts n findings that are alike; createdAt is that of the oldest.
// message is what AWS says went wrong when it analysed the resource, or the
// label for that; empty when nothing did.
func (f *Findings) Add(key FindingKey, n int, createdAt time.Time, message string) {
	f.Counts[key] += n
	if key.Status != Active {
		return
	}
	if message != "" {
		f.Errors[FindingErrorKey{key.AccountID, key.Type, ErrorLabel(message)}] += n
	}
	k := OldestKey{key.AccountID, key.Type}
	if oldest, ok := f.OldestActive[k]; !createdAt.IsZero() && (!ok || createdAt.Before(oldest)) {
		f.OldestActive[k] = createdAt
	}
}

// ErrorLabel makes a label of what AWS says went wrong. It passes on what reads like a code (ACCESS_DENIED, INTERNAL_ERROR,
// …). AWS types the field as a free string: a sentence in it would be a series
// for each wording.
func ErrorLabel(s string) string {
	if len(s) > 64 {
		return "OTHER"
	}
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			return "OTHER"
		}
	}
	return s
}
