package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guestCount is how many guests run on the lab's first host.
const guestCount = 20

func labDir() string {
	if dir := os.Getenv("HOSTLAB_DIR"); dir != "" {
		return dir
	}
	return "/var/tmp/hl"
}

func labUp() bool {
	_, err := os.Stat(filepath.Join(labDir(), "state", "n"))
	return err == nil
}

func socket(host string) string {
	return filepath.Join(labDir(), host, "run", "libvirt", "libvirt-sock")
}

func labURI(host string) string { return "qemu+unix:///system?socket=" + socket(host) }

func hostlab(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "test/lab/hostlab", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("hostlab %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// guestsUp brings the lab up with as many hosts and all guests on the first, and leaves what is there.
func guestsUp(ctx context.Context, hosts int) error {
	if _, err := hostlab(ctx, "up", fmt.Sprint(hosts)); err != nil {
		return err
	}
	there, err := hostlab(ctx, "vir", "host1", "list", "--name")
	if err != nil {
		return err
	}
	args := []string{"guests"}
	for i := range guestCount {
		if name := guest(i); !slices.Contains(strings.Fields(there), name) {
			args = append(args, name+":host1")
		}
	}
	if len(args) > 1 {
		_, err = hostlab(ctx, args...)
	}
	return err
}

func guest(i int) string { return fmt.Sprintf("b%d", i+1) }

// daemonOf is the process that listens on a socket, as the kernel knows it: the lab's daemons live in
// process spaces of their own and have other numbers there.
func daemonOf(path string) (int, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // nothing was said on it
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("find who listens on %s: %w", path, err)
	}
	return int(cred.Pid), nil
}

// migrations moves each of some guests to the second host and back until it is over. Each ends where it
// began. It returns how many moves there were.
func migrations(ctx context.Context, guests int, over <-chan struct{}) (int, error) {
	moves := make([]int, guests)
	errs := make([]error, guests)
	var wg sync.WaitGroup
	for i := range guests {
		wg.Go(func() {
			for errs[i] == nil && !closed(over) {
				errs[i] = errors.Join(move(ctx, guest(i), "host1", "host2"), move(ctx, guest(i), "host2", "host1"))
				moves[i] += 2
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range moves {
		sum += n
	}
	return sum, errors.Join(errs...)
}

func move(ctx context.Context, vm, from, to string) error {
	_, err := hostlab(ctx, "vir", from, "migrate", "--live", "--unsafe", "--p2p", "--persistent", "--undefinesource", vm, "qemu+tls://"+to+"/system")
	return err
}
