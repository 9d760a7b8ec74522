package audit

import (
	"encoding/xml"
	"io"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// The elements of JUnit that every reader of it supports.
// https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
type (
	junitReport struct {
		XMLName  xml.Name      `xml:"testsuites"`
		Name     string        `xml:"name,attr"`
		Tests    int           `xml:"tests,attr"`
		Failures int           `xml:"failures,attr"`
		Errors   int           `xml:"errors,attr"`
		Suites   []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Failure *junitDetail `xml:"failure"`
		Error   *junitDetail `xml:"error"`
		Skipped *junitDetail `xml:"skipped"`
	}
	junitDetail struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes a test suite for each access, with a test for each target: an
// uncovered one has failed, an unknown one is an error, an exempt one was skipped.
// Lists that are not complete are errors, because targets may be missing.
func WriteJUnit(w io.Writer, s *inventory.Snapshot) error {
	summary := report.Of(s)
	r := junitReport{Name: "IAM Access Analyzer audit"}
	suites := map[inventory.Access]*junitSuite{}
	suite := func(name string) *junitSuite {
		r.Suites = append(r.Suites, &junitSuite{Name: name, Timestamp: s.PublishedAt.UTC().Format("2006-01-02T15:04:05")})
		return r.Suites[len(r.Suites)-1]
	}
	for _, t := range summary.Tallies() {
		suites[t.Access] = suite(string(t.Access) + " access")
	}
	for row := range summary.Rows {
		for _, v := range row.Verdicts {
			suites[v.Access].add(summary.Name(v.AccountID), v.Region, v.State, summary.Explain(v))
		}
	}
	if problem := summary.Unlisted(); problem != "" {
		suite("discovery").add("accounts and Regions", "lists are complete", inventory.Unknown, report.Capital(problem)+".")
	}
	for _, suite := range r.Suites {
		r.Tests += suite.Tests
		r.Failures += suite.Failures
		r.Errors += suite.Errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", " ")
	if err := out.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(class, name string, state inventory.State, why string) {
	c := junitCase{Name: report.Printable(name), Class: class}
	detail := &junitDetail{string(state), why}
	switch state {
	case inventory.Uncovered:
		c.Failure = detail
		s.Failures++
	case inventory.Unknown:
		c.Error = detail
		s.Errors++
	case inventory.Exempt:
		c.Skipped = detail
		s.Skipped++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}

// rfc3339 is a time in UTC, in the format of SARIF.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }
