package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// process names a process, so that a member of the group can be recognised as one that has died.
type process struct {
	host      string
	boot      string // the boot of the kernel: another machine may have our name
	namespace string // of process numbers
	pid       int
	started   string // in the clock ticks of /proc
}

// clientID returns the name under which brokers know us: errata@HOST/BOOT/NAMESPACE/PID/START.
func clientID() string {
	host, err := os.Hostname()
	if err != nil {
		return "errata"
	}
	pid := os.Getpid()
	started, _ := startOf(pid)
	return fmt.Sprintf("errata@%s/%s/%s/%d/%s", strings.ReplaceAll(host, "/", "-"), boot(), namespace(), pid, started)
}

// boot names the boot of the kernel, "" where that is not known.
func boot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	short, _, _ := strings.Cut(string(text), "-")
	return short
}

// namespace names the namespace of our process numbers, "" where that is not known.
func namespace() string {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.Trim(strings.TrimPrefix(link, "pid:"), "[]")
}

// startOf returns when a process started, "" when that cannot be seen, and whether it has ended and
// its parent has not reaped it yet.
func startOf(pid int) (started string, ended bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The second field is a name in brackets that may hold anything; the state follows it, and the
	// start is the 22nd field.
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X"
}

// parseClientID reads what clientID returns. It reports false for the names of other clients.
func parseClientID(id string) (p process, ok bool) {
	after, ok := strings.CutPrefix(id, "errata@")
	fields := strings.Split(after, "/")
	if !ok || len(fields) != 5 {
		return process{}, false
	}
	p = process{host: fields[0], boot: fields[1], namespace: fields[2], started: fields[4]}
	_, err := fmt.Sscan(fields[3], &p.pid)
	return p, err == nil
}

// isDead reports whether a process of our machine and namespace has certainly ended. /proc may hide
// the processes of other users; signal 0 does not.
func (p process) isDead() bool {
	found, err := os.FindProcess(p.pid)
	if err == nil {
		err = found.Signal(syscall.Signal(0))
	}
	if errors.Is(err, os.ErrProcessDone) {
		return true
	}
	started, ended := startOf(p.pid)
	return ended || started != "" && started != p.started // another process has the number now
}

// dead returns the members of the group that are our own dead predecessors. While a dead member is
// in the group, a rebalance waits until its session times out, and all partitions stand still;
// without a rebalance only its own do.
//
// A member whose process ran on this machine and is gone is dead. A member that has our name in a
// container, as ours had before a restart, or that ran on a machine of our name, as this one before
// a reboot, may be dead: we wait for its session to end before we join.
func (k *Kafka) dead(ctx context.Context) (members []string) {
	us, ok := parseClientID(clientID())
	if !ok || us.namespace == "" || us.boot == "" {
		return nil
	}
	for until := time.Now().Add(sessionTimeout + time.Second); time.Now().Before(until); sleep(ctx, heartbeat) {
		answer, err := k.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.cfg.Group}})
		if err != nil || len(answer.Groups) == 0 {
			return nil // joining will show what is wrong
		}
		doubtful := false
		members = nil
		for _, m := range answer.Groups[0].Members {
			p, ok := parseClientID(m.ClientID)
			switch {
			case !ok || p.host != us.host || p == us:
			case p.boot != us.boot || p.namespace != us.namespace:
				doubtful = true
			case p.isDead():
				members = append(members, m.MemberID)
			}
		}
		if !doubtful || ctx.Err() != nil {
			break
		}
	}
	return members
}

// removeDead removes members from the group once we have begun to join it. That makes both one
// rebalance, and the group is never empty, after which Kafka would wait for more members to come.
// It checks until their sessions have ended in any case: the coordinator may change, and the next
// one may not know of the removal.
func (k *Kafka) removeDead(ctx context.Context, gone []string, log *slog.Logger) {
	for until := time.Now().Add(2 * sessionTimeout); len(gone) > 0 && time.Now().Before(until) && sleep(ctx, heartbeat); {
		answer, err := k.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.cfg.Group}})
		if err != nil || len(answer.Groups) == 0 {
			continue
		}
		joined := false
		leave := &kafka.LeaveGroupRequest{GroupID: k.cfg.Group}
		for _, m := range answer.Groups[0].Members {
			if slices.Contains(gone, m.MemberID) {
				leave.Members = append(leave.Members, kafka.LeaveGroupRequestMember{ID: m.MemberID})
			} else if m.ClientID == clientID() {
				joined = true
			}
		}
		if !joined || len(leave.Members) == 0 {
			continue
		}
		if _, err := k.client.LeaveGroup(ctx, leave); err == nil {
			log.Info("removed dead members from the consumer group", "members", gone)
		}
	}
}
