module github.com/access-analyzer-exporter/access-analyzer-exporter/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22

require go.yaml.in/yaml/v3 v3.0.6
