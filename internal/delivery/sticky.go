package delivery

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go"
)

// sticky shares the partitions out so that each member keeps what it has while the shares stay
// even, and gives up first what it was given last. A member that leaves or dies, and one that comes
// back, then stops nobody else's partitions for longer than the rebalance itself. Members say what
// they have when they join.
type sticky struct {
	mu  sync.Mutex
	own ownership
}

// ownership is what a member says of itself: its generation, and by topic the partitions and the
// generation that gave it each of them.
//
// It must differ after each generation. A member that comes back and says what it said before gets
// its generation back, and Kafka would accept a commit of before that is still on its way.
type ownership struct {
	Generation int32              `json:"generation"`
	Partitions map[string][]int   `json:"partitions"`
	Since      map[string][]int32 `json:"since"`
}

// since returns the generation that gave the i-th partition of a topic, without a break until now.
func (o ownership) since(topic string, i int) int32 {
	if i < 0 || i >= len(o.Since[topic]) {
		return o.Generation
	}
	return o.Since[topic][i]
}

// owns remembers what a generation has given us.
func (s *sticky) owns(generation int32, assigned []topicPartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := ownership{generation, map[string][]int{}, map[string][]int32{}}
	for _, tp := range assigned {
		since := generation
		if i := slices.Index(s.own.Partitions[tp.topic], tp.id); i >= 0 {
			since = s.own.since(tp.topic, i)
		}
		own.Partitions[tp.topic] = append(own.Partitions[tp.topic], tp.id)
		own.Since[tp.topic] = append(own.Since[tp.topic], since)
	}
	s.own = own
}

// ProtocolName names this way to share, for the members to agree on.
func (s *sticky) ProtocolName() string { return "errata-sticky" }

// UserData returns what we tell the member that shares out.
func (s *sticky) UserData() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(s.own)
}

// AssignGroups shares the partitions out. The result depends only on its arguments.
func (s *sticky) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	members = slices.SortedFunc(slices.Values(members), func(a, b kafka.GroupMember) int { return strings.Compare(a.ID, b.ID) })
	var all []topicPartition
	for _, p := range partitions {
		all = append(all, topicPartition{p.Topic, p.ID})
	}
	slices.SortFunc(all, topicPartition.compare)
	has := holdings(members)
	given, free := keep(all, has, shares(all, has, len(members)))
	for _, tp := range free { // to the member with the least
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

// holding is the claim of a member to a partition.
type holding struct {
	member            int // its index
	generation, since int32
}

func reads(m kafka.GroupMember, topic string) bool { return slices.Contains(m.Topics, topic) }

// holdings returns who has which partition. Of two members that claim one, it is the one that was
// given it last.
func holdings(members []kafka.GroupMember) map[topicPartition]holding {
	has := map[topicPartition]holding{}
	for i, m := range members {
		var own ownership
		if json.Unmarshal(m.UserData, &own) != nil {
			continue // it used another balancer, or none, and has nothing
		}
		for topic, ids := range own.Partitions {
			for n, id := range ids {
				tp := topicPartition{topic, id}
				if before, taken := has[tp]; reads(m, topic) && (!taken || own.Generation > before.generation) {
					has[tp] = holding{i, own.Generation, own.since(topic, n)}
				}
			}
		}
	}
	return has
}

// shares returns how many partitions each member may keep: an even share, and one more for those
// that have most where that is not a whole number.
func shares(all []topicPartition, has map[topicPartition]holding, members int) []int {
	count := make([]int, members)
	for _, tp := range all {
		if h, ok := has[tp]; ok {
			count[h.member]++
		}
	}
	order := make([]int, members)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(count[b], count[a]) })
	share := make([]int, members)
	for rank, i := range order {
		share[i] = len(all) / members
		if rank < len(all)%members {
			share[i]++
		}
	}
	return share
}

// keep gives each member what it has, up to its share, and returns the rest as free. What a member
// was given last is free first.
func keep(all []topicPartition, has map[topicPartition]holding, share []int) (given [][]topicPartition, free []topicPartition) {
	given = make([][]topicPartition, len(share))
	oldestFirst := slices.Clone(all)
	slices.SortStableFunc(oldestFirst, func(a, b topicPartition) int { return cmp.Compare(has[a].since, has[b].since) })
	for _, tp := range oldestFirst {
		if h, ok := has[tp]; ok && len(given[h.member]) < share[h.member] {
			given[h.member] = append(given[h.member], tp)
		} else {
			free = append(free, tp)
		}
	}
	slices.SortFunc(free, topicPartition.compare)
	return given, free
}
