package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"errata/internal/link"
)

// The exit codes of all programs.
const (
	Fine        = 0
	Found       = 1 // the command worked and found something wrong
	WrongUse    = 2 // or wrong settings, password, certificate, rights, topic, or an unreadable file
	Unreachable = 3 // a server did not answer at start, or its connection broke later
)

// Findings is the error of a command that worked and found something wrong. It says what, or is ""
// if the output of the command says so already.
type Findings string

func (f Findings) Error() string { return string(f) }

// Code returns the exit code of an error. If several errors are joined, one that a person has to
// fix takes precedence over one that may pass. A child process that is one of our programs passes
// its own exit code on.
func Code(err error) int {
	var child *exec.ExitError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp), errors.Is(err, pflag.ErrHelp):
		return Fine
	case errors.As(err, new(Findings)):
		return Found
	case errors.Is(err, link.ErrRefused):
		return WrongUse
	case errors.As(err, &child) && child.Exited():
		return child.ExitCode()
	case errors.Is(err, link.ErrUnreachable), broken(err):
		return Unreachable
	}
	return WrongUse
}

// broken reports whether a connection broke or the other end stopped answering. Errors of files,
// pipes and listening sockets do not count.
func broken(err error) bool {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Op != "listen"
	}
	if file := (*os.PathError)(nil); errors.As(err, &file) {
		return false
	}
	var passing interface { // as timeouts and Kafka's errors are
		error
		Temporary() bool
	}
	return link.ClosedOnUs(err) || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &passing) && passing.Temporary()
}

// Exit prints an error to stderr, with the program's name before each line, and returns its exit
// code. It prints nothing for nil, for an error with an empty text, and after --help.
func Exit(program string, err error, stderr io.Writer) int {
	code := Code(err)
	if code == Fine || err.Error() == "" {
		return code
	}
	for line := range strings.SplitSeq(message(err), "\n") {
		_ = Paragraph(stderr, program+": ", line)
	}
	return code
}

// kinds says what to give for a flag of a type of pflag, whose own errors name Go's functions.
var kinds = map[string]string{
	"int": "a whole number", "uint64": "a whole number from 0", "int64": "a whole number", "float64": "a number", "bool": "true or false", "duration": "a time span such as 90m",
}

// message returns the text of an error. Wrong values of flags read as those that our own checks
// find: --output "pdf": give one of table, json.
func message(err error) string {
	if invalid := (*pflag.InvalidValueError)(nil); errors.As(err, &invalid) {
		if what, known := kinds[invalid.GetFlag().Value.Type()]; known {
			return fmt.Sprintf("--%s %q: give %s", invalid.GetFlag().Name, invalid.GetValue(), what)
		}
		return fmt.Sprintf("--%s %q: %v", invalid.GetFlag().Name, invalid.GetValue(), errors.Unwrap(invalid))
	}
	return err.Error()
}
