package delivery

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
)

func TestNoTwoGenerationsSayTheSame(t *testing.T) {
	s := &sticky{}
	seen := map[string]bool{}
	for generation := range int32(3) {
		s.owns(generation, []topicPartition{{"logs", 0}})
		said, err := s.UserData()
		if err != nil || seen[string(said)] {
			t.Fatalf("%s was said before, %v", said, err)
		}
		seen[string(said)] = true
	}
}

func TestSharesAreEvenAndStay(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		topics := []string{"a", "b"}[:1+r.IntN(2)]
		var partitions []kafka.Partition
		for _, topic := range topics {
			for id := range 1 + r.IntN(9) {
				partitions = append(partitions, kafka.Partition{Topic: topic, ID: id})
			}
		}
		owner := map[topicPartition]string{}
		var members []kafka.GroupMember
		balancers := map[string]*sticky{}
		join := func(id string) {
			balancers[id] = &sticky{}
			members = append(members, kafka.GroupMember{ID: id, Topics: topics})
		}
		for i := range 1 + r.IntN(5) {
			join(fmt.Sprint("m", i))
		}
		for generation := int32(1); generation < 6; generation++ {
			r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
			for i := range members {
				data, err := balancers[members[i].ID].UserData()
				if err != nil {
					t.Fatal(err)
				}
				members[i].UserData = data
			}
			given := (&sticky{}).AssignGroups(members, partitions)
			now := map[topicPartition]string{}
			least, most := len(partitions), 0
			for _, m := range members {
				var all []topicPartition
				for topic, ids := range given[m.ID] {
					for _, id := range ids {
						tp := topicPartition{topic, id}
						if now[tp] != "" {
							t.Fatalf("round %d: %s is given to %s and %s", round, tp, now[tp], m.ID)
						}
						now[tp] = m.ID
						all = append(all, tp)
					}
				}
				least, most = min(least, len(all)), max(most, len(all))
				balancers[m.ID].owns(generation, all)
			}
			if len(now) != len(partitions) || most-least > 1 {
				t.Fatalf("round %d: %d of %d partitions given, shares from %d to %d", round, len(now), len(partitions), least, most)
			}
			// A member keeps what it had, up to an even share.
			kept, had := map[string]int{}, map[string]int{}
			for tp, before := range owner {
				had[before]++
				if now[tp] == before {
					kept[before]++
				}
			}
			for _, m := range members {
				if kept[m.ID] < min(had[m.ID], len(partitions)/len(members)) {
					t.Fatalf("round %d, generation %d: %s had %d and keeps %d of them", round, generation, m.ID, had[m.ID], kept[m.ID])
				}
			}
			owner = now
			if len(members) > 1 && r.IntN(2) == 0 {
				members = members[1:]
			}
		}
	}
}

func TestALeavingMemberMovesNobodyElse(t *testing.T) {
	member := func(id string, generation int32, owned map[string][]int) kafka.GroupMember {
		data, err := json.Marshal(ownership{Generation: generation, Partitions: owned})
		if err != nil {
			t.Fatal(err)
		}
		return kafka.GroupMember{ID: id, Topics: []string{"logs"}, UserData: data}
	}
	var partitions []kafka.Partition
	for id := range 9 {
		partitions = append(partitions, kafka.Partition{Topic: "logs", ID: id})
	}
	given := (&sticky{}).AssignGroups([]kafka.GroupMember{
		member("b", 7, map[string][]int{"logs": {3, 4, 5}}),
		member("a", 7, map[string][]int{"logs": {0, 1, 2}}), // c, which had 6 to 8, has left
	}, partitions)
	for id, want := range map[string][]int{"a": {0, 1, 2}, "b": {3, 4, 5}} {
		for i, p := range want {
			if given[id]["logs"][i] != p {
				t.Errorf("%s has %v, and had %v", id, given[id]["logs"], want)
			}
		}
	}
	// A zombie that says it has what was given to another since is not believed.
	given = (&sticky{}).AssignGroups([]kafka.GroupMember{
		member("a", 3, map[string][]int{"logs": {0, 1, 2, 3, 4}}),
		member("b", 7, map[string][]int{"logs": {0, 1, 2, 3}}),
	}, partitions)
	for i := range 4 {
		if given["b"]["logs"][i] != i {
			t.Errorf("b has %v", given["b"]["logs"])
		}
	}
}

// Who comes back gets what the others were given when it went, and so they lose nothing of their
// own.
func TestWhoComesBackGetsItsOwn(t *testing.T) {
	var partitions []kafka.Partition
	for id := range 9 {
		partitions = append(partitions, kafka.Partition{Topic: "logs", ID: id})
	}
	balancers := map[string]*sticky{}
	generation := int32(0)
	share := func(ids ...string) kafka.GroupMemberAssignments {
		generation++
		var members []kafka.GroupMember
		for _, id := range ids {
			if balancers[id] == nil {
				balancers[id] = &sticky{}
			}
			said, err := balancers[id].UserData()
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, kafka.GroupMember{ID: id, Topics: []string{"logs"}, UserData: said})
		}
		given := (&sticky{}).AssignGroups(members, partitions)
		for _, id := range ids {
			var all []topicPartition
			for _, p := range given[id]["logs"] {
				all = append(all, topicPartition{"logs", p})
			}
			balancers[id].owns(generation, all)
		}
		return given
	}
	before := share("a", "b", "c")
	for _, victim := range []string{"a", "b", "c"} {
		others := slices.DeleteFunc([]string{"a", "b", "c"}, func(id string) bool { return id == victim })
		share(others...)
		share(others...) // whatever else happens meanwhile
		delete(balancers, victim)
		after := share("a", "b", "c")
		for id := range before {
			slices.Sort(before[id]["logs"])
			slices.Sort(after[id]["logs"])
			if !slices.Equal(before[id]["logs"], after[id]["logs"]) {
				t.Errorf("%s came back, and %s has %v instead of %v", victim, id, after[id]["logs"], before[id]["logs"])
			}
		}
	}
}
