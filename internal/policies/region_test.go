package policies

import "testing"

// Policies are validated in the default Region of the partition, or in one in scope.
func TestValidationRegion(t *testing.T) {
	for name, test := range map[string]struct {
		partition string
		regions   []string
		want      string
	}{
		"commercial":                  {"aws", []string{"eu-west-1", "us-east-1"}, "us-east-1"},
		"Regions not listed":          {"aws", nil, "us-east-1"},
		"default Region not in scope": {"aws", []string{"eu-central-1", "eu-west-1"}, "eu-central-1"},
		"China":                       {"aws-cn", []string{"cn-north-1", "cn-northwest-1"}, "cn-north-1"},
		"China, Regions not listed":   {"aws-cn", nil, "cn-north-1"},
		"GovCloud":                    {"aws-us-gov", []string{"us-gov-west-1"}, "us-gov-west-1"},
		"a new partition":             {"aws-new", []string{"new-north-1"}, "new-north-1"},
	} {
		if got := validationRegion(test.partition, test.regions); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
