package cli

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

type logFlags struct {
	Level  slog.Level `name:"log.level" default:"${log_level=info}" help:"Only log messages with the given severity or above. One of: debug, info, warn, error."`
	Format string     `name:"log.format" default:"auto" enum:"auto,logfmt,json" help:"Output format of log messages. One of: auto (colored on a terminal, else logfmt), logfmt, json."`
}

// logger writes to stderr, because stdout carries the output of a command.
func (f logFlags) logger(stderr io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.Level}
	switch {
	case f.Format == "json":
		return slog.New(slog.NewJSONHandler(stderr, options))
	case f.Format == "auto" && isTerminal(stderr):
		return slog.New(tint.NewTextHandler(stderr, &tint.Options{
			Level: f.Level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != "",
		}))
	}
	return slog.New(slog.NewTextHandler(stderr, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
