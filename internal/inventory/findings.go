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

// Add counts n findings with the same key; createdAt is that of the oldest.
// message is the error that AWS returns for an analysis that failed, or its label;
// otherwise empty.
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

// ErrorLabel returns the label for an error of a finding: the error itself if it
// has the form of a code (ACCESS_DENIED, INTERNAL_ERROR, …), else OTHER. The field
// is free text in the API, and each wording would be a series.
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
