package delivery

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestWhoIsDead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells in /proc which processes live; elsewhere dead members are left to their session timeout")
	}
	us, ok := parseClientID(clientID())
	if !ok || us.pid != os.Getpid() || us.boot == "" || us.namespace == "" || us.isDead() {
		t.Fatalf("%q does not name this process", clientID())
	}
	child := exec.CommandContext(t.Context(), "sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	p := process{pid: child.Process.Pid}
	p.started, _ = startOf(p.pid)
	if p.started == "" || p.isDead() {
		t.Error("a process that lives is dead")
	}
	if earlier := (process{pid: p.pid, started: "1"}); !earlier.isDead() {
		t.Error("a process whose number has gone to another lives")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !p.isDead() && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	if !p.isDead() {
		t.Error("a dead process that nobody has asked after lives")
	}
	child.Wait() //nolint:errcheck // it was killed
	if !p.isDead() {
		t.Error("a dead process lives")
	}
	for _, id := range []string{"", "errata", "errata@h/1/2/3", "errata@h/b/1/x/3", "sarama"} {
		if _, ok := parseClientID(id); ok {
			t.Errorf("%q names a process", id)
		}
	}
}
