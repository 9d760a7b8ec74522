// Package hangup keeps SIGHUP from ending the process before serve handles it.
//
// Packages are initialized before main runs, and most of the start is spent there.
// Go initializes packages in the order of their dependencies and then of their
// paths, so this one, which imports little, is among the first.
package hangup

import (
	"os"
	"os/signal"
	"syscall"
)

// pending keeps the signal from its default action; serve has a channel of its own.
var pending = make(chan os.Signal, 1)

func init() { signal.Notify(pending, syscall.SIGHUP) }
