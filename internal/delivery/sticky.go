package delivery

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go"
)

// sticky shares the partitions out so that each member keeps what it has, as far as the shares stay even, and gives up first what it was given
// last: a member that leaves or dies, and one that comes back, then stops nobody else's partitions for longer than the rebalance itself. Members say
// what they have when they join.
type sticky struct {
	mu  sync.Mutex
	own ownership
}

// ownership is what a member says of itself: its generation, and by topic the partitions and the generation that gave it each.
//
// That it is another one after each generation matters: a member that comes back and says what it said before gets its generation back, and a commit of
// before that is still on its way would be taken.
type ownership struct {
	Generation int32              `json:"generation"`
	Partitions map[string][]int   `json:"partitions"`
	Since      map[string][]int32 `json:"since"`
}

// since is the generation that gave the i-th partition of a topic, with no break.
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
		member            int
		generation, since int32
	}
	has := map[topicPartition]claim{}
	for i, m := range members {
		var own ownership
		if json.Unmarshal(m.UserData, &own) != nil {
			continue // another balancer's, or none: it has nothing
		}
		for topic, ids := range own.Partitions {
			for n, id := range ids {
				tp := topicPartition{topic, id}
				if before, taken := has[tp]; reads(m, topic) && (!taken || own.Generation > before.generation) {
					has[tp] = claim{i, own.Generation, own.since(topic, n)}
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
	slices.SortStableFunc(all, func(a, b topicPartition) int { return cmp.Compare(has[a].since, has[b].since) })
	for _, tp := range all {
		if c, ok := has[tp]; ok && len(given[c.member]) < share[c.member] {
			given[c.member] = append(given[c.member], tp)
		} else {
			free = append(free, tp)
		}
	}
	slices.SortFunc(free, topicPartition.compare)
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
