package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is an error in a configuration file.
type Error struct {
	File string
	// Line and Column count from 1. Column is 0 when only the line is known.
	Line, Column int
	// Key is a path such as coverage.exemptions[2].until, with indexes from 0;
	// empty for the file as a whole.
	Key string
	// Message is one line with the problem and the accepted values.
	Message string
}

// Error returns file:line: key: message.
func (e Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Key, e.Message)
}

// Errors are all errors of a file, sorted by line.
type Errors []Error

// maxListed is the maximum number of errors in a message: a file that is not a
// configuration may have one in each line.
const maxListed = 100

// Error returns one line for each of the first maxListed errors, and their number
// beyond that.
func (e Errors) Error() string {
	listed := e[:min(len(e), maxListed)]
	lines := make([]string, len(listed))
	for i, err := range listed {
		lines[i] = err.Error()
	}
	if more := len(e) - len(listed); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}
