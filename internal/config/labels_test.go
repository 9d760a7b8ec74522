package config

import (
	"slices"
	"testing"

	"github.com/prometheus/common/model"
)

func TestLabelName(t *testing.T) {
	for key, want := range map[string]string{
		"team": "label_team", "Team": "label_team", "CostCenter": "label_cost_center", "cost-center": "label_cost_center",
		"aws:cloudformation/x": "label_aws_cloudformation_x", "HTTPPort2Use": "label_httpport2_use", "équipe": "label__quipe",
		"環境": "label___", "1": "label_1", "": "label_", "{{ . }}\n\"": "label__________",
	} {
		got := LabelName(key)
		if got != want {
			t.Errorf("%q becomes %s, want %s", key, got, want)
		}
		if !model.LegacyValidation.IsValidLabelName(got) {
			t.Errorf("%q becomes %s, which is not the name of a label", key, got)
		}
	}
}

func TestLabelKeys(t *testing.T) {
	a := Accounts{Labels: AccountLabels{Tags: []string{"team", "environment"}}, Static: []StaticAccount{
		{Labels: map[string]string{"team": "a", "unit": "b"}}, {Labels: map[string]string{"unit": "c", "owner": "d"}},
	}}
	if got, want := a.LabelKeys(), []string{"team", "environment", "owner", "unit"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	if !slices.Equal(a.Labels.Tags, []string{"team", "environment"}) {
		t.Error("the configuration changed")
	}
}
