package secret

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		secret     string
		err        string
	}{
		{"as it should be", "hunter 2\n", 0o600, "hunter 2", ""},
		{"for a group", "hunter2", 0o640, "hunter2", ""},
		{"for everybody", "hunter2", 0o644, "", "has mode 0644: everybody on this machine may use it; chmod 600"},
		{"everybody may write", "hunter2", 0o602, "", "has mode 0602"},
		{"empty", " \n", 0o600, "", "is empty"},
		{"two lines", "hunter2\naction=on\n", 0o600, "", "holds several lines"},
		{"large", strings.Repeat("x", maxBytes+1), 0o600, "", "holds more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, c.mode); err != nil {
				t.Fatal(err)
			}
			got, err := Read(file)
			if got != c.secret || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %v; want %q, %q", got, err, c.secret, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "nothing")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe} {
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "is no file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
