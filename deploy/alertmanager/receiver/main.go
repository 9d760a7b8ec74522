// Command receiver prints the notifications of Alertmanager, to try routes without a
// pager: go run ./deploy/alertmanager/receiver. It listens on the port of
// deploy/alertmanager/alertmanager.yml.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	server := &http.Server{Addr: ":9095", Handler: receiver(os.Stdout), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// notification is the part of a webhook's body that is printed.
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
type notification struct {
	Receiver string
	Alerts   []struct {
		Status              string
		Labels, Annotations map[string]string
	}
}

// receiver prints the alerts of each notification.
func receiver(out io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, a := range n.Alerts {
			// There is no other output to report an error to.
			_, _ = fmt.Fprintf(out, "%s, %s: %s\n%s\n%s\n%s\n\n", n.Receiver, a.Status, a.Labels["alertname"],
				a.Annotations["summary"], a.Annotations["description"], a.Annotations["runbook_url"])
		}
	})
}
