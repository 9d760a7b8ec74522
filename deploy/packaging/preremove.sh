#!/bin/sh
# Debian says "remove", RPM the number of versions that stay: on an upgrade
# nothing is to be stopped.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now access-analyzer-exporter.socket access-analyzer-exporter.service
	fi
	;;
esac
