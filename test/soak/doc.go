// Package soak tests that thousands of sweeps and reloads leak nothing.
package soak
