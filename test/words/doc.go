// Package words checks the vocabulary of the repository: prose, comments,
// messages and names say what Prometheus, Kubernetes and AWS say. It has only
// tests; make lint runs them.
package words
