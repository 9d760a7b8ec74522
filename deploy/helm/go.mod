module access-analyzer-exporter/deploy/helm

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring v0.95.1 // indirect
	helm.sh/helm/v3 v3.22.0 // indirect
)
