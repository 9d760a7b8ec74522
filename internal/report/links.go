package report

const (
	// Homepage is the repository in deploy/urls.yaml.
	Homepage = "https://github.com/access-analyzer-exporter/access-analyzer-exporter"
	// Runbooks is the base URL of the runbooks.
	Runbooks = Homepage + "/blob/main/docs/runbooks"
)
