package heartbeat

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// files is what is asked of the storage. Each call may block for ever.
type files interface {
	// write replaces a file's content and returns when it is on the storage, with the file's
	// modification time by the storage's clock.
	write(path string, text []byte) (time.Time, error)
	// read returns the beginning of a file and its modification time.
	read(path string) ([]byte, time.Time, error)
	// remove removes a file.
	remove(path string) error
	// list returns the names of a directory's plain files and the number of its file system.
	list(dir string) ([]string, uint64, error)
}

// storage is the real one.
type storage struct{}

// write writes in place, in one call and always the same size, rather than to a temporary file that
// is renamed. One sector is written whole or not at all, and a reader who caught half of it would
// still see that it changed, which is all that counts. A rename would change the directory at every
// beat of every host; cluster file systems send a directory's lock around for that, and NFS clients
// keep stale file handles. And it leaves no files behind to be cleaned up.
func (storage) write(path string, text []byte) (modified time.Time, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_SYNC|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(text, 0); err != nil {
		return time.Time{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	// Only a file that somebody else put there is longer.
	if info.Size() != int64(len(text)) {
		if err := f.Truncate(int64(len(text))); err != nil {
			return time.Time{}, err
		}
	}
	return info.ModTime(), nil
}

// read opens the file anew each time: that is when an NFS client looks whether the file has changed.
func (storage) read(path string) (text []byte, modified time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	// A longer file is no stamp, and one byte more is enough to see that.
	text, err = io.ReadAll(io.LimitReader(f, stampSize+1))
	return text, info.ModTime(), err
}

func (storage) remove(path string) error { return os.Remove(path) }

func (storage) list(dir string) (names []string, device uint64, err error) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return nil, 0, fmt.Errorf("look at %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, s.Dev, nil
}
