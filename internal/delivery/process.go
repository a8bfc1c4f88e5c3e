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

// process names a process, so that a member of the group can be told to be one that has died.
type process struct {
	host      string
	boot      string // the run of the kernel: another machine may have our name
	namespace string // of process numbers
	pid       int
	started   string // in the clock ticks of /proc
}

// clientID is how brokers know us: errata@HOST/BOOT/NAMESPACE/PID/START.
func clientID() string {
	host, err := os.Hostname()
	if err != nil {
		return "errata"
	}
	pid := os.Getpid()
	started, _ := startOf(pid)
	return fmt.Sprintf("errata@%s/%s/%s/%d/%s", strings.ReplaceAll(host, "/", "-"), boot(), namespace(), pid, started)
}

// boot names the run of the kernel, "" where that is not known.
func boot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	short, _, _ := strings.Cut(string(text), "-")
	return short
}

// namespace names the space in which process numbers are counted, "" where that is not known.
func namespace() string {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.Trim(strings.TrimPrefix(link, "pid:"), "[]")
}

// startOf is when a process started, "" when that cannot be seen; and whether it has ended and its parent has not asked how.
func startOf(pid int) (started string, ended bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The second field is a name in brackets that may hold anything; then comes the state; the start is the 22nd.
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X"
}

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

// isDead tells whether a process of our machine and namespace has ended, for certain. /proc may hide those of other users, signal 0 does not.
func (p process) isDead() bool {
	found, err := os.FindProcess(p.pid)
	if err == nil {
		err = found.Signal(syscall.Signal(0))
	}
	if errors.Is(err, os.ErrProcessDone) {
		return true
	}
	started, ended := startOf(p.pid)
	return ended || started != "" && started != p.started // the number has gone to another
}

// dead gives the members of the group that are our own dead predecessors. While a dead member is in the group,
// a rebalance waits for it until its session times out, and all partitions stand still as long; without a rebalance only its own do.
//
// A member whose process was on this machine and is no more is dead. One with our name in a container, as ours had before it was restarted, or on
// a machine with our name, as this one before it was rebooted, may be: we wait for its session to end before we join.
func (k *Kafka) dead(ctx context.Context) (members []string) {
	us, ok := parseClientID(clientID())
	if !ok || us.namespace == "" || us.boot == "" {
		return nil
	}
	for until := time.Now().Add(sessionTimeout + time.Second); time.Now().Before(until); sleep(ctx, heartbeat) {
		answer, err := k.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.cfg.Group}})
		if err != nil || len(answer.Groups) == 0 {
			return nil // joining will tell what is wrong
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

// putOut puts members out of the group that nobody is any more, once we have begun to join it: so both are one rebalance, and the group is never
// empty, after which Kafka would wait for more members to come. It looks again and again until their sessions end anyway: the coordinator may change, and
// the next one not know that they were put out.
func (k *Kafka) putOut(ctx context.Context, gone []string, log *slog.Logger) {
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
			log.Info("put members out of the group that nobody is any more", "members", gone)
		}
	}
}
