package neighbours

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asks wants a question to have an outcome in time, and in no less than that where it is to take its time.
func asks(t *testing.T, what, address string, want outcome, least time.Duration) {
	t.Helper()
	began := time.Now()
	got, err := ask(t.Context(), address)
	if got != want {
		t.Errorf("%s: got %d (%v), want %d", what, got, err, want)
	}
	if took := time.Since(began); took < least || took > resolveTimeout+connectTimeout+2*time.Second {
		t.Errorf("%s took %s", what, took)
	}
	if got == unsaid && err == nil {
		t.Errorf("%s: nobody says why", what)
	}
}

func TestAMachineThatLivesAnswers(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("not on %s: %v", address, err)
			continue
		}
		asks(t, "a port with a listener that never accepts", l.Addr().String(), answered, 0)
		port := l.Addr().(*net.TCPAddr).Port
		if address == "127.0.0.1:0" {
			asks(t, "a name", fmt.Sprintf("localhost:%d", port), answered, 0)
		}
		_ = l.Close()
		asks(t, "the port without a listener", l.Addr().String(), answered, 0)
	}
}

// A listener whose queue is full gets no further connection: the kernel drops what would open one, which
// looks like a machine that is off, and never leaves this one.
func TestAMachineThatIsSilentIsUnreachable(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			break // it is full
		}
		defer conn.Close()
	}
	asks(t, "a machine that drops it", address, unreachable, connectTimeout)
}

func TestANameThatDoesNotResolveSaysNothing(t *testing.T) {
	asks(t, "a name that nobody can have", "no..body:9", unsaid, 0)
}

func TestAQuestionThatIsCutShortSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := ask(ctx, "127.0.0.1:9"); got != unsaid || err == nil {
		t.Errorf("got %d, %v", got, err)
	}
}

// What the kernel says stands in the errors as the net package wraps them.
func TestOnlyTheOthersSilenceIsSilence(t *testing.T) {
	for number, want := range map[syscall.Errno]outcome{
		syscall.ECONNREFUSED:  answered,
		syscall.EHOSTUNREACH:  unreachable,
		syscall.EHOSTDOWN:     unreachable,
		syscall.ETIMEDOUT:     unreachable,
		syscall.ENETUNREACH:   unroutable,
		syscall.EADDRNOTAVAIL: unsaid,
		syscall.EAGAIN:        unsaid, // which net calls a timeout, and is a lack of ports here
		syscall.EMFILE:        unsaid,
		syscall.ENFILE:        unsaid,
		syscall.ENOBUFS:       unsaid,
		syscall.EACCES:        unsaid,
		syscall.EPERM:         unsaid,
		syscall.ENETDOWN:      unsaid,
		syscall.EAFNOSUPPORT:  unsaid,
	} {
		err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", number)}
		if got := meaning(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
	if got := meaning(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}); got != unsaid {
		t.Errorf("a name server that is silent: %d", got)
	}
}
