package report

// Links of deploy/urls.yaml.
const (
	Homepage = "https://github.com/access-analyzer-exporter/access-analyzer-exporter"
	Runbooks = Homepage + "/blob/main/docs/runbooks"
)
