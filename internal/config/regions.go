package config

import (
	"regexp"
	"slices"
	"strings"
)

// knownRegions of all partitions, as in the AWS SDK's list of them. It tells
// slips from Regions that have opened since, and need not be complete.
var knownRegions = strings.Fields(`
	af-south-1
	ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
	ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
	ca-central-1 ca-west-1
	eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
	il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1
	us-east-1 us-east-2 us-west-1 us-west-2
	cn-north-1 cn-northwest-1
	us-gov-east-1 us-gov-west-1
	eusc-de-east-1
	us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 eu-isoe-west-1 us-isof-east-1 us-isof-south-1
`)

var (
	compass      = []string{"north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "central"}
	regionFormat = regexp.MustCompile(`^([a-z]{2,4}(?:-[a-z]{2,4})?)-([a-z]+)-[1-9]$`)
)

// regionRemedy says what to do about a name that is not that of a Region;
// empty when it is one. A name that is not known may be that of a Region that
// AWS has opened since, unless a slip of the keyboard explains it better.
func regionRemedy(s string) string {
	parts := regionFormat.FindStringSubmatch(s)
	if parts != nil && !swapped(parts[1]) && !misspelt(parts[2]) {
		return ""
	}
	if near := closest(strings.ToLower(s), knownRegions, 2); near != "" {
		return "did you mean " + near + "?"
	}
	return "write its code, such as eu-west-1"
}

// swapped tells whether area is one that is known, with its letters swapped.
func swapped(area string) bool {
	known := func(area string) bool {
		return slices.ContainsFunc(knownRegions, func(r string) bool { return strings.HasPrefix(r, area+"-") })
	}
	return len(area) == 2 && !known(area) && known(area[1:]+area[:1])
}

// misspelt tells whether direction is not one, but nearly.
func misspelt(direction string) bool {
	near := closest(direction, compass, 2)
	return near != "" && near != direction
}
