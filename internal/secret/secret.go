// Package secret reads files that hold passwords and keys. It refuses those that everybody on the machine may
// read, and remembers nothing, so that a file that was replaced counts at the next use.
package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// maxBytes is the most that a file with a secret may hold.
const maxBytes = 64 << 10

// Read returns what the file holds, without space around it. It is one line: what talks to a device in lines could
// otherwise be made to say more than was meant.
func Read(file string) (string, error) {
	// A pipe in place of the file must not hold up whoever fences a host.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file; write the secret into one", file)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return "", fmt.Errorf("%s has mode %04o: everybody on this machine may use it; chmod 600 %s, or 640 with a group of its own", file, mode, file)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(b))
	switch {
	case len(b) > maxBytes:
		err = fmt.Errorf("%s holds more than %d bytes; a secret is one line", file, maxBytes)
	case secret == "":
		err = fmt.Errorf("%s is empty", file)
	case strings.ContainsAny(secret, "\r\n\x00"):
		err = errors.New(file + " holds several lines; a secret is one line")
	}
	if err != nil {
		return "", err
	}
	return secret, nil
}
