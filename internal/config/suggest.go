package config

import (
	"reflect"
	"strings"
	"time"
)

// suggestKey returns the keys that an unknown key of a section may stand for: a
// similar one of the section, or an equal one of another section.
func suggestKey(section, name string, siblings []string) string {
	if key := Closest(strings.ToLower(name), siblings, 2); key != "" {
		return "did you mean " + join(section, key) + "?"
	}
	var inOtherSections []string
	for _, key := range keys("", reflect.TypeFor[Config]()) {
		if key == name || strings.HasSuffix(key, "."+name) {
			inOtherSections = append(inOtherSections, key)
		}
	}
	if len(inOtherSections) > 0 {
		return "did you mean " + strings.Join(inOtherSections, " or ") + "?"
	}
	return "the keys here are " + strings.Join(siblings, ", ")
}

// keys returns the keys of a value of type t, in order; [] denotes the items of a
// list.
func keys(prefix string, t reflect.Type) []string {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		prefix, t = prefix+"[]", t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	var all []string
	for f := range t.Fields() {
		if fieldName(f) == "-" {
			continue
		}
		key := join(prefix, fieldName(f))
		all = append(append(all, key), keys(key, f.Type)...)
	}
	return all
}

// Closest returns the candidate with the smallest edit distance from s, at most
// limit and at most half of s; empty if there is none.
func Closest(s string, candidates []string, limit int) string {
	best, fewest := "", min(limit, (len(s)-1)/2)+1
	for _, c := range candidates {
		// The difference in length is a lower bound, and s may be long.
		if max(len(s)-len(c), len(c)-len(s)) >= fewest {
			continue
		}
		if n := editDistance(s, c); n < fewest {
			best, fewest = c, n
		}
	}
	return best
}

// editDistance is the optimal string alignment distance in bytes: insertions,
// deletions, substitutions and transpositions of neighbors.
// https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance
func editDistance(a, b string) int {
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
