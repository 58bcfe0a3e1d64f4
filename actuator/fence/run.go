package fence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput is how much of each of its outputs an agent's run may fill, in bytes.
	maxOutput = 64 << 10
	// endGrace is how long a run that was ended, or whose children keep its outputs open, is waited for.
	endGrace = time.Second
)

// outcome is how a run ended by itself.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a program with its arguments and the input. An error says that it did not run to an end by itself, or not in bounds. With the
// context's end it is killed, and so is all that it has started in its process group.
func run(ctx context.Context, name, input string, args ...string) (outcome, error) {
	path, err := find(name)
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bounded
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = endGrace
	if err := cmd.Start(); err != nil {
		return outcome{}, err
	}
	began := time.Now()
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left running must not switch anything later; mostly there is nothing
	if ctx.Err() != nil {
		return outcome{}, ended(ctx, time.Since(began))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{}, err
	}
	o := outcome{code: cmd.ProcessState.ExitCode(), stdout: stdout.text.String(), stderr: stderr.text.String()}
	switch {
	case !cmd.ProcessState.Exited():
		err = fmt.Errorf("it was ended by a signal: %s", cmd.ProcessState)
	case stdout.over || stderr.over:
		err = fmt.Errorf("it printed more than %d bytes, which no agent does; leave out verbose", maxOutput)
	default:
		err = nil
	}
	return o, err
}

// ended says why the context has.
func ended(ctx context.Context, after time.Duration) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: %w", after.Round(100*time.Millisecond), ctx.Err())
	}
	return fmt.Errorf("given up after %s: %w", after.Round(100*time.Millisecond), ctx.Err())
}

// find looks for a program on the path and where Debian puts fence agents, which is not on everybody's path.
func find(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no %s on this machine; install it (on Debian: apt install fence-agents), or give its path", name)
	}
	return path, nil
}

// bounded keeps the first bytes written to it and takes the rest, so that the writer does not hang.
type bounded struct {
	text bytes.Buffer
	over bool
}

// Write keeps what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	room := maxOutput - b.text.Len()
	b.over = b.over || len(p) > room
	b.text.Write(p[:min(room, len(p))])
	return len(p), nil
}
