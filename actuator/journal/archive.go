package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// archiveDir is the directory beside the journal that old entries are moved to.
const archiveDir = "journal-archive"

// archiveSuffix is how names of archives end: a line of JSON for each entry.
const archiveSuffix = ".jsonl"

// temporary is how names of files end that are not whole yet.
const temporary = ".tmp"

// archive is a file of entries that were moved out: the records, one a line.
type archive struct {
	cluster.Span
	path string
}

func (j *Journal) archivePath(s cluster.Span) string {
	return filepath.Join(j.dir, archiveDir, archiveName(s))
}

func archiveName(s cluster.Span) string {
	return fmt.Sprintf("journal-%d-%d%s", s.First, s.Last, archiveSuffix)
}

// spanOf reads the name of an archive.
func spanOf(name string) (cluster.Span, bool) {
	var s cluster.Span
	_, err := fmt.Sscanf(name, "journal-%d-%d", &s.First, &s.Last)
	return s, err == nil && archiveName(s) == name && s.First > 0 && s.First <= s.Last
}

// archives lists the archives beside the journal, oldest first. Other files there are passed over.
func (j *Journal) archives() ([]archive, error) {
	names, err := os.ReadDir(filepath.Join(j.dir, archiveDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the archives: %w", err)
	}
	var list []archive
	for _, n := range names {
		if span, ok := spanOf(n.Name()); ok {
			list = append(list, archive{Span: span, path: j.archivePath(span)})
		}
	}
	slices.SortFunc(list, func(x, y archive) int {
		return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.Last, y.Last))
	})
	return list, nil
}

// readArchive calls f for every line, without its end.
func readArchive(ctx context.Context, path string, f func(line []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	for r := bufio.NewReader(file); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read archive %s: %w", path, err)
		}
		if err := errors.Join(ctx.Err(), f(bytes.TrimSuffix(line, []byte("\n")))); err != nil {
			return err
		}
	}
}

// writeArchive writes a file that is there whole or not at all, under its name and on disk, when it
// returns.
func writeArchive(path string, records func(line func([]byte) error) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(path+temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	err = records(func(line []byte) error {
		_, err := w.Write(append(line, '\n'))
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path+temporary))
	}
	if err := os.Rename(path+temporary, path); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}
