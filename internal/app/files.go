package app

import (
	"bytes"
	"log"
	"log/slog"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

// openFiles returns how many files the process may have open. Go has already
// raised the soft limit to the hard one.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}

// connections divides open files into calls in flight and idle connections to AWS.
// A quarter, at least 24, is for scrapes and everything else: without a free file,
// no scrape can be accepted. A call in flight may have three: two for the name and
// one for the connection.
func connections(files, concurrency int) (inFlight, idle int) {
	available := files - max(files/4, 24)
	inFlight = max(1, min(concurrency, available/4))
	return inFlight, max(1, available-3*inFlight)
}

// warnOfFewFiles logs a limit that reduces the concurrency.
func warnOfFewFiles(c *config.Config, logger *slog.Logger) {
	files := openFiles()
	if inFlight, _ := connections(files, c.Sweep.Concurrency); inFlight < c.Sweep.Concurrency {
		logger.Warn("The limit of open files (ulimit -n) is too low for sweep.concurrency; making fewer AWS calls at a time",
			"open_files", files, "concurrency", c.Sweep.Concurrency, "calls", inFlight)
	}
}

// serverLog logs the errors of an HTTP server. Those of single connections are at
// debug level: clients cause them. If none can be accepted, that is a warning, at
// most once a minute.
type serverLog struct {
	logger *slog.Logger
	mu     sync.Mutex
	warned time.Time
}

func newServerLog(logger *slog.Logger) *log.Logger {
	return log.New(&serverLog{logger: logger}, "", 0)
}

// Write takes one error.
func (l *serverLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if !bytes.HasPrefix(line, []byte("http: Accept error")) {
		l.logger.Debug(text, "source", "net/http")
		return len(line), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.warned) >= time.Minute {
		l.warned = time.Now()
		l.logger.Warn("Failed to accept a connection; scrapes fail meanwhile", "err", text)
	}
	return len(line), nil
}
