module github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/browsertest

go 1.26.0

require (
	github.com/access-analyzer-exporter/access-analyzer-exporter v0.0.0
	github.com/chromedp/cdproto v0.160.1
	github.com/chromedp/chromedp v0.23.0
)

require (
	al.essio.dev/pkg/shellescape v1.6.1 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	golang.org/x/sync v0.25.0 // indirect
)

replace github.com/access-analyzer-exporter/access-analyzer-exporter => ../../..
