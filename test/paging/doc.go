// Package paging checks what reaches people: random histories of organizations,
// exporters and Prometheus run through the rules, in Prometheus' own rule
// engine, and through the sample configuration, in Alertmanager's own code, all
// in virtual time. An oracle that depends on the history, but not on the rules,
// decides which notifications must and must not be sent.
package paging
