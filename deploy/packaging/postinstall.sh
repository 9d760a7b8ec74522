#!/bin/sh
# After an upgrade the service restarts with the new binary; after a first
# installation it waits for credentials and is started by hand.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart access-analyzer-exporter.service
fi
