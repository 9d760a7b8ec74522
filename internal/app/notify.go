package app

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify reports a state to systemd, which waits for it if the unit has Type=notify
// or notify-reload. Elsewhere it does nothing.
// https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
func notify(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("Failed to notify systemd", "err", err)
	}
}

// notifyReloading begins a reload, which the next notifyReady ends. The time is for
// Type=notify-reload, which ignores other reloads than the one it asked for.
func notifyReloading(logger *slog.Logger) {
	notify(logger, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
}

// notifyReady sets the line of the state that systemctl status shows.
func notifyReady(logger *slog.Logger, status string) {
	notify(logger, daemon.SdNotifyReady+"\nSTATUS="+status)
}

func notifyStopping(logger *slog.Logger) { notify(logger, daemon.SdNotifyStopping) }
