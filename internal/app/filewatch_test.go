package app

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// The external ID is in a file of its own, which a Secret renews. So are policies of
// checks.
func TestChangedFilesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("id", "first-external-id\n")
	write("boundary.json", `{"Statement": [{}]}`)
	write("config.yaml", "assume_role: {name: exporter, external_id_file: "+filepath.Join(dir, "id")+"}\n"+
		"policies: {checks: [{name: a, no_new_access: boundary.json}], checks_per_day: 1}\n")
	synctest.Test(t, func(t *testing.T) {
		changed := fileChanges(t.Context(), filepath.Join(dir, "config.yaml"), time.Second)
		reloads := func() bool {
			time.Sleep(1500 * time.Millisecond)
			select {
			case <-changed:
				return true
			default:
				return false
			}
		}
		if reloads() {
			t.Error("the configuration is reloaded without a change")
		}
		write("id", "second-external-id\n")
		if !reloads() {
			t.Error("a changed external ID is not reloaded")
		}
		write("boundary.json", `{"Statement": []}`)
		if !reloads() {
			t.Error("a changed policy of a check is not reloaded")
		}
	})
}
