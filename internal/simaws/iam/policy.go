package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// SessionActions returns the actions that a session policy allows. It supports
// what the simulated operations require: statements that allow actions on all
// resources. Everything else is an error, so that no test passes because of a
// statement without effect.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func SessionActions(policy string) ([]string, error) {
	var document struct {
		Version   string
		Statement []struct {
			Sid, Effect      string
			Action, Resource []string
		}
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(policy)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if document.Version != "2012-10-17" || len(document.Statement) == 0 {
		return nil, errors.New("the policy has no statement or another version")
	}
	actions := []string{}
	for _, s := range document.Statement {
		if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) != 1 || s.Resource[0] != "*" {
			return nil, fmt.Errorf("the statement %q is not simulated", s.Sid)
		}
		actions = append(actions, s.Action...)
	}
	return actions, nil
}
