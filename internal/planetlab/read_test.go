package planetlab_test

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// day is the text of a trace that is the same number all day.
func day(percent int) string { return strings.Repeat(strconv.Itoa(percent)+"\n", planetlab.Samples) }

// archive writes a .tar.gz as the published ones are, with the files in the order given.
func archive(t *testing.T, names []string, texts map[string]string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "day.tar.gz")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(f)
	w := tar.NewWriter(zipped)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.WriteHeader(&tar.Header{Name: "day/", Typeflag: tar.TypeDir, Mode: 0o755}))
	for _, n := range names {
		check(w.WriteHeader(&tar.Header{Name: "day/" + n, Typeflag: tar.TypeReg, Size: int64(len(texts[n])), Mode: 0o644}))
		_, err := w.Write([]byte(texts[n]))
		check(err)
	}
	check(w.Close())
	check(zipped.Close())
	check(f.Close())
	return name
}

func directory(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for n, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestADirectoryAndItsArchiveAreTheSameDay(t *testing.T) {
	texts := map[string]string{"b": day(2), "a_1": day(1), "B": day(0), "a.1": day(100)}
	fromArchive, err := planetlab.Read(archive(t, []string{"b", "a_1", "a.1", "B"}, texts))
	if err != nil {
		t.Fatal(err)
	}
	fromDirectory, err := planetlab.Read(directory(t, texts))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromArchive, fromDirectory) {
		t.Error("they differ")
	}
	var names []string
	for _, tr := range fromArchive {
		names = append(names, tr.Name)
	}
	if want := []string{"B", "a.1", "a_1", "b"}; !reflect.DeepEqual(names, want) {
		t.Errorf("the order is %q, and %q is bytewise", names, want)
	}
}

func TestWhatIsNoTraceIsToldWithFileAndLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{day(5)[:10] + "x\n", "t:6: \"x\" is no percentage"},
		{"101\n" + day(5), "t:1: \"101\" is no percentage"},
		{"1\n-1\n" + day(5), "t:2: \"-1\" is no percentage"},
		{"1\n\n" + day(5), "t:2: \"\" is no percentage"},
		{"1\n2\n", "t:3: the trace ends here"},
		{strings.Repeat("0", 70_000), "t:1: "},
		{strings.Repeat("00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001\n", planetlab.Samples), "is larger than"},
	} {
		for _, from := range []string{directory(t, map[string]string{"t": c.text}), archive(t, []string{"t"}, map[string]string{"t": c.text})} {
			if _, err := planetlab.Read(from); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), from) {
				t.Errorf("%.20q gives %v, want %s and the file", c.text, err, c.want)
			}
		}
	}
}

func TestWhatIsNoDayIsTold(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "read traces",
		plain:                              "neither a directory nor a .tar.gz",
		t.TempDir():                        "has no traces",
		archive(t, []string{"a", "a"}, map[string]string{"a": day(1)}): "two files named a",
	} {
		if _, err := planetlab.Read(from); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %s", from, err, want)
		}
	}
}

func TestLinesBeyondADayAreReadOver(t *testing.T) {
	traces, err := planetlab.Read(directory(t, map[string]string{"a": day(7) + "no number\n"}))
	if err != nil || len(traces) != 1 || len(traces[0].Percent) != planetlab.Samples {
		t.Errorf("%v, %d traces", err, len(traces))
	}
}
