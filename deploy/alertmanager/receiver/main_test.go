package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReceiver(t *testing.T) {
	for _, test := range []struct {
		body, printed string
		status        int
	}{
		{
			`{"receiver": "page", "alerts": [{"status": "firing", "labels": {"alertname": "A"}, "annotations": {"summary": "lost", "description": "since noon", "runbook_url": "https://r"}}]}`,
			"page, firing: A\nlost\nsince noon\nhttps://r\n\n", http.StatusOK,
		},
		{"no JSON", "", http.StatusBadRequest},
	} {
		var out strings.Builder
		w := httptest.NewRecorder()
		receiver(&out).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/page", strings.NewReader(test.body)))
		if w.Code != test.status || out.String() != test.printed {
			t.Errorf("%s: status %d, printed %q", test.body, w.Code, out.String())
		}
	}
}
