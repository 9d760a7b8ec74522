package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// MaxSize of a file, in bytes: enough for thousands of accounts and exemptions.
const MaxSize = 1 << 20

// pipeTimeout bounds the time that the writer of a pipe may take. Tests shorten it.
var pipeTimeout = 5 * time.Second

var (
	errTooLarge   = errors.New("the file is too large")
	errNotRegular = errors.New("not a regular file or a pipe")
	errNoData     = errors.New("nothing was written to the pipe in time")
)

// ReadFile reads a regular file of at most limit bytes, or a pipe, such as that of
// <(command) in a shell. Anything else, such as a device, is an error, because
// reading it may never end.
func ReadFile(path string, limit int) ([]byte, error) {
	// Otherwise opening a pipe waits for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var data []byte
	switch mode := info.Mode(); {
	case mode.IsDir():
		err = syscall.EISDIR
	case mode.IsRegular():
		data, err = readBounded(f, limit)
	case mode&fs.ModeNamedPipe != 0:
		data, err = readPipe(f, limit)
	default:
		err = errNotRegular
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

func readBounded(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		return nil, errTooLarge
	}
	return data, err
}

// readPipe reads until the writer closes the pipe. A pipe without a writer looks
// like an empty one, and an empty configuration would be valid.
func readPipe(f *os.File, limit int) ([]byte, error) {
	deadline := time.Now().Add(pipeTimeout)
	if err := f.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	for time.Now().Before(deadline) {
		if data, err := readBounded(f, limit); err != nil || len(data) > 0 {
			return data, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errNoData
}
