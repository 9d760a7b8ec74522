package cli_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// TestNotifySystemd has the messages of a service with Type=notify or notify-reload:
// started, two reloads, of which one fails, and stopped.
func TestNotifySystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = systemd.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	since := regexp.MustCompile(`(?m)^MONOTONIC_USEC=\d+$`)
	receive := func() string {
		t.Helper()
		b := make([]byte, 4096)
		n, err := systemd.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return since.ReplaceAllString(string(b[:n]), "MONOTONIC_USEC=1")
	}
	lab.Simulate(t, lab.Standalone())
	path := lab.WriteFile(t, "regions: {include: [eu-west-1]}")
	p := lab.Launch(t, "--config.file="+path, "--web.enable-lifecycle")
	got := []string{receive()}
	for _, text := range []string{"regions: {inclued: [eu-west-2]}", "regions: {include: [eu-west-2]}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Reload(t)
		got = append(got, receive(), receive())
	}
	p.Stop()
	got = append(got, receive())
	const reloading = "RELOADING=1\nMONOTONIC_USEC=1\n"
	if want := []string{
		"READY=1\nSTATUS=Running",
		reloading, "READY=1\nSTATUS=Running with the previous configuration, because the latest one is invalid",
		reloading, "READY=1\nSTATUS=Running with the latest configuration",
		"STOPPING=1",
	}; !slices.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
}
