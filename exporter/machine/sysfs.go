package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func (r *Reader) sys(elements ...string) string {
	return filepath.Join(append([]string{r.o.Sys}, elements...)...)
}

// entries lists a directory's names, sorted; none when there is no such directory, which is how the
// kernel says that the machine has no such thing.
func entries(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list))
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, nil
}

// word reads a file of one value. The kernel gives such a file whole in one call and makes it no
// larger than a page, so the calls that find out the size of a common file are spared.
func word(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written that could be lost
	var page [4096]byte
	n, err := unix.Read(fd, page[:])
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return strings.TrimSpace(string(page[:n])), nil
}

// count reads a file of one number that cannot be negative.
func count(path string) (int64, error) {
	text, err := word(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return n, nil
}

// field is a file of one number and where the number belongs.
type field struct {
	file string
	into *int64
}

// counts reads several such files of one directory.
func counts(dir string, fields ...field) error {
	for _, f := range fields {
		n, err := count(filepath.Join(dir, f.file))
		if err != nil {
			return err
		}
		*f.into = n
	}
	return nil
}

// numbered returns the number in names like "node3", and whether there is one.
func numbered(name, prefix, suffix string) (int64, bool) {
	text, found := strings.CutPrefix(name, prefix)
	text, ends := strings.CutSuffix(text, suffix)
	n, err := strconv.ParseInt(text, 10, 32)
	return n, found && ends && err == nil && n >= 0
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
