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

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}
