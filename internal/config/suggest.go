package config

import (
	"reflect"
	"strings"
	"time"
)

// suggestKey says what may have been meant by an unknown key of a section:
// another one of its keys, or one that belongs elsewhere in the file.
func suggestKey(section, name string, siblings []string) string {
	if key := closest(strings.ToLower(name), siblings, 2); key != "" {
		return "did you mean " + join(section, key) + "?"
	}
	var elsewhere []string
	for _, key := range keys("", reflect.TypeFor[Config]()) {
		if key == name || strings.HasSuffix(key, "."+name) {
			elsewhere = append(elsewhere, key)
		}
	}
	if len(elsewhere) > 0 {
		return "did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	return "the keys here are " + strings.Join(siblings, ", ")
}

// keys lists the keys that a value of type t can have, in order; [] stands for
// the items of a list.
func keys(prefix string, t reflect.Type) []string {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		prefix, t = prefix+"[]", t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	var all []string
	for f := range t.Fields() {
		key := join(prefix, fieldName(f))
		all = append(append(all, key), keys(key, f.Type)...)
	}
	return all
}

// closest returns the candidate that is the fewest slips of the keyboard away
// from s; empty when all need more than limit, or so many that nothing of s
// would be left.
func closest(s string, candidates []string, limit int) string {
	best, fewest := "", min(limit, (len(s)-1)/2)+1
	for _, c := range candidates {
		// The difference in length is the least there can be, and s may be long.
		if max(len(s)-len(c), len(c)-len(s)) >= fewest {
			continue
		}
		if n := slips(s, c); n < fewest {
			best, fewest = c, n
		}
	}
	return best
}

// slips counts the characters to insert, to delete or to replace, and the
// neighbours to swap, that turn a into b: the optimal string alignment
// distance.
func slips(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			n := min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, rows[i-2][j-2]+1)
			}
			rows[i][j] = n
		}
	}
	return rows[len(a)][len(b)]
}
