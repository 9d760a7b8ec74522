// Package events tests the path from a finding event in SQS to /metrics.
package events
