// Package storm tests the exporter while AWS throttles it.
package storm
