package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// sticky shares the partitions out so that each member keeps what it has, as far as the shares stay even: a member that leaves or
// dies then stops nobody else's partitions for longer than the rebalance itself. Members say what they have when they join.
type sticky struct {
	mu  sync.Mutex
	own ownership
}

// ownership is what a member says of itself: the partitions by topic, and since when.
type ownership struct {
	Generation int32            `json:"generation"`
	Partitions map[string][]int `json:"partitions"`
}

// owns remembers what a generation has given us.
func (s *sticky) owns(generation int32, assigned []topicPartition) {
	own := ownership{generation, map[string][]int{}}
	for _, tp := range assigned {
		own.Partitions[tp.topic] = append(own.Partitions[tp.topic], tp.id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own = own
}

// ProtocolName is how members agree on a way to share.
func (s *sticky) ProtocolName() string { return "errata-sticky" }

// UserData is what the one who shares out gets to know of us.
func (s *sticky) UserData() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(s.own)
}

// AssignGroups shares out. The result depends on nothing but its arguments.
func (s *sticky) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	members = slices.SortedFunc(slices.Values(members), func(a, b kafka.GroupMember) int { return strings.Compare(a.ID, b.ID) })
	var all []topicPartition
	for _, p := range partitions {
		all = append(all, topicPartition{p.Topic, p.ID})
	}
	slices.SortFunc(all, topicPartition.compare)
	reads := func(m kafka.GroupMember, topic string) bool { return slices.Contains(m.Topics, topic) }

	// Who has what: of two that say so, the one that was given it last.
	type claim struct {
		member     int
		generation int32
	}
	has := map[topicPartition]claim{}
	for i, m := range members {
		var own ownership
		if json.Unmarshal(m.UserData, &own) != nil {
			continue // another balancer's, or none: it has nothing
		}
		for topic, ids := range own.Partitions {
			for _, id := range ids {
				tp := topicPartition{topic, id}
				if before, taken := has[tp]; reads(m, topic) && (!taken || own.Generation > before.generation) {
					has[tp] = claim{i, own.Generation}
				}
			}
		}
	}
	// Each may keep an even share; where that is no whole number, those that have most may keep one more.
	count := make([]int, len(members))
	for _, tp := range all {
		if c, ok := has[tp]; ok {
			count[c.member]++
		}
	}
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(count[b], count[a]) })
	share := make([]int, len(members))
	for rank, i := range order {
		share[i] = len(all) / len(members)
		if rank < len(all)%len(members) {
			share[i]++
		}
	}
	given := make([][]topicPartition, len(members))
	var free []topicPartition
	for _, tp := range all {
		if c, ok := has[tp]; ok && len(given[c.member]) < share[c.member] {
			given[c.member] = append(given[c.member], tp)
		} else {
			free = append(free, tp)
		}
	}
	for _, tp := range free {
		least := -1
		for i, m := range members {
			if reads(m, tp.topic) && (least < 0 || len(given[i]) < len(given[least])) {
				least = i
			}
		}
		if least >= 0 {
			given[least] = append(given[least], tp)
		}
	}
	out := kafka.GroupMemberAssignments{}
	for i, m := range members {
		out[m.ID] = map[string][]int{}
		for _, tp := range given[i] {
			out[m.ID][tp.topic] = append(out[m.ID][tp.topic], tp.id)
		}
	}
	return out
}

// process names a process on a machine, so that a member of the group can be told to be one that has died.
type process struct {
	host, namespace string // of process numbers
	pid             int
	started         string // in the clock ticks of /proc
}

// clientID is how brokers know us: errata@HOST/NAMESPACE/PID/START.
func clientID() string {
	host, err := os.Hostname()
	if err != nil {
		return "errata"
	}
	pid := os.Getpid()
	return fmt.Sprintf("errata@%s/%s/%d/%s", strings.ReplaceAll(host, "/", "-"), namespace(), pid, startOf(pid))
}

// namespace names the space in which process numbers are counted, "" where that is not known.
func namespace() string {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.Trim(strings.TrimPrefix(link, "pid:"), "[]")
}

// startOf is when a process started, "" when there is none of that number.
func startOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is a name in brackets that may hold anything; the start is the 22nd.
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func parseClientID(id string) (p process, ok bool) {
	after, ok := strings.CutPrefix(id, "errata@")
	fields := strings.Split(after, "/")
	if !ok || len(fields) != 4 {
		return process{}, false
	}
	p = process{host: fields[0], namespace: fields[1], started: fields[3]}
	_, err := fmt.Sscan(fields[2], &p.pid)
	return p, err == nil
}

// dead gives the members of the group that are our own dead predecessors. While a dead member is in the group,
// a rebalance waits for it until its session times out, and all partitions stand still as long; without a rebalance only its own do.
//
// A member whose process was on this machine and is no more is dead. One of a container with our name, as ours had before it was
// restarted, may be: we wait for its session to end before we join.
func (k *Kafka) dead(ctx context.Context) (members []string) {
	us, ok := parseClientID(clientID())
	if !ok || us.namespace == "" {
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
			case p.namespace != us.namespace:
				doubtful = true
			case startOf(p.pid) != p.started:
				members = append(members, m.MemberID)
			}
		}
		if !doubtful || ctx.Err() != nil {
			break
		}
	}
	return members
}

// putOut puts dead members out of the group, a moment after we have begun to join it: so both are one rebalance.
func (k *Kafka) putOut(ctx context.Context, members []string, log *slog.Logger) {
	if len(members) == 0 || !sleep(ctx, heartbeat) {
		return
	}
	req := &kafka.LeaveGroupRequest{GroupID: k.cfg.Group}
	for _, id := range members {
		req.Members = append(req.Members, kafka.LeaveGroupRequestMember{ID: id})
	}
	log.Info("members of the group are processes that have died, putting them out", "members", members)
	if _, err := k.client.LeaveGroup(ctx, req); err != nil {
		log.Warn("cannot put them out", "error", err)
	}
}
