package awsapi

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFilesOfTheSDK checks files that the SDK would read for ever, or as a whole
// into memory.
func TestFilesOfTheSDK(t *testing.T) {
	dir := t.TempDir()
	pipe, large, regular := filepath.Join(dir, "pipe"), filepath.Join(dir, "large"), filepath.Join(dir, "regular")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, size := range map[string]int64{large: largestFile + 1, regular: 10} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	for _, name := range []string{
		"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		for path, want := range map[string]string{
			"": "", regular: "", os.DevNull: "", filepath.Join(dir, "missing"): "",
			pipe: "is not a regular file", dir: "is not a regular file", large: "bytes; at most 16777216 are read",
		} {
			t.Setenv(name, path)
			switch err := checkFiles(); {
			case want == "" && err != nil:
				t.Errorf("%s=%q: %v", name, path, err)
			case want != "" && (err == nil || !strings.HasPrefix(err.Error(), name+": "+path) || !strings.Contains(err.Error(), want)):
				t.Errorf("%s=%q: %v, want %s", name, path, err, want)
			}
		}
		t.Setenv(name, "")
	}
}
