// Package clitest holds what the tests of all programs check about their commands: that each has an
// example that works, that no output controls a terminal, and that the output fits the terminal's
// width.
package clitest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// Leaves returns the commands that do something, by their path below the program, such as "alert
// run".
func Leaves(root *cobra.Command) map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var walk func(*cobra.Command, string)
	walk = func(command *cobra.Command, path string) {
		for _, c := range command.Commands() {
			walk(c, strings.TrimSpace(path+" "+c.Name()))
		}
		if !command.HasSubCommands() && command.Name() != "help" {
			all[path] = command
		}
	}
	walk(root, "")
	return all
}

// CheckExamples checks that each command has examples, that each example is a line of 76 columns at
// most, and that its command, flags and arguments exist. It also checks that no line of the help
// ends within a sentence. newRoot returns a new command of the program for each.
func CheckExamples(t *testing.T, newRoot func() *cobra.Command) {
	t.Helper()
	for path, command := range Leaves(newRoot()) {
		if !command.HasExample() {
			t.Errorf("%q has no example in its help", path)
			continue
		}
		for line := range strings.Lines(command.Long) { // help is wrapped when it is shown
			if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, ".") {
				t.Errorf("the help of %q breaks a line within a sentence: %s", path, line)
			}
		}
		for line := range strings.Lines(command.Example) {
			line = strings.TrimSuffix(line, "\n")
			if n := text.StringWidthWithoutEscSequences(line); n > 76 {
				t.Errorf("an example of %q has %d columns: %s", path, n, line)
			}
			root := newRoot()
			words := shellWords(line)
			if len(words) == 0 || words[0] != root.Name() {
				t.Errorf("an example of %q is not one of %s: %s", path, root.Name(), line)
				continue
			}
			found, rest, err := root.Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil || found.CommandPath() != root.Name()+" "+path {
				t.Errorf("an example of %q is wrong: %s: %v", path, line, err)
			}
		}
	}
}

// quoted matches what a shell takes as one piece.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)

// shellWords splits the last command of a pipeline into words, up to a redirection.
func shellWords(line string) (words []string) {
	if i := strings.LastIndex(line, "| "); i >= 0 {
		line = line[i+2:]
	}
	line, _, _ = strings.Cut(line, " > ")
	for _, word := range quoted.FindAllString(line, -1) {
		if strings.ContainsAny(word[:1], `'"`) {
			word = word[1 : len(word)-1]
		}
		words = append(words, word)
	}
	return words
}

// OutputFlags returns the flags for each output of a command, nil if it has only one. The outputs
// yaml and tsv are left out: they are for programs, and have escapes of their own.
func OutputFlags(command *cobra.Command) (all [][]string) {
	flag := command.Flags().Lookup("output")
	if flag == nil {
		return [][]string{nil}
	}
	for name := range strings.SplitSeq(flag.Usage, ", ") {
		if name != "yaml" && name != "tsv" {
			all = append(all, []string{"--output", name})
		}
	}
	return all
}

// CheckDrivesNothing checks that what a command printed holds nothing that drives a terminal.
func CheckDrivesNothing(t *testing.T, what any, printed string) {
	t.Helper()
	if i := strings.IndexFunc(printed, drives); i >= 0 {
		t.Errorf("%q prints a control character: %q", what, printed[max(0, i-40):min(len(printed), i+40)])
	}
}

func drives(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// toCopy matches a line that holds a command to be copied, which has to stay on one line.
var toCopy = regexp.MustCompile(`^ +(ingest|report|stack) `)

// CheckFits checks that each line of what a command printed has at most so many columns, except for
// commands to be copied.
func CheckFits(t *testing.T, what any, printed string, width int) {
	t.Helper()
	for line := range strings.Lines(printed) {
		if n := text.StringWidthWithoutEscSequences(strings.TrimSuffix(line, "\n")); n > width && !toCopy.MatchString(line) {
			t.Errorf("%q at %d columns prints a line of %d: %s", what, width, n, line)
		}
	}
}

// Server counts the connections to an address. It answers each as no server of ours does, with
// HTTP, so that a client gives up at once.
type Server struct {
	Addr string
	met  atomic.Int64
}

// StartServer starts one, until the test ends.
func StartServer(t *testing.T) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &Server{Addr: l.Addr().String()}
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.met.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			conn.Close()
		}
	}()
	return s
}

// Met returns the number of connections since the last call.
func (s *Server) Met() int64 { return s.met.Swap(0) }

// Build builds a program as users have it, and returns the folder that holds it. Scripts start
// their program hundreds of times, and with the race detector each start takes a second of CPU;
// tests that call run have the detector.
func Build(t testing.TB, program string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	command := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "errata/cmd/"+program)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}
