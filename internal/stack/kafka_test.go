package stack_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// What a client of ours needs, on both brokers.
func TestBrokers(t *testing.T) {
	t.Parallel()
	type broker interface {
		CreateTopic(ctx context.Context, name string, partitions int) error
	}
	try := func(t *testing.T, addr string, b broker) {
		for range 2 { // the second time it is there already
			if err := b.CreateTopic(t.Context(), "logs", 3); err != nil {
				t.Fatal(err)
			}
		}
		want := produce(t, addr, "logs", 30)

		// A group with the short session that we use.
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: "logs", GroupID: "g",
			HeartbeatInterval: time.Second, SessionTimeout: 6 * time.Second, MaxWait: 100 * time.Millisecond, JoinGroupBackoff: 200 * time.Millisecond})
		defer reader.Close()
		got := map[string]bool{}
		for len(got) < len(want) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var message kafka.Message
			err := onceReady(ctx, func() (err error) {
				message, err = reader.FetchMessage(ctx)
				return err
			})
			if err == nil {
				err = onceReady(ctx, func() error { return reader.CommitMessages(ctx, message) })
			}
			cancel()
			if err != nil {
				t.Fatalf("after %d of %d messages: %v", len(got), len(want), err)
			}
			got[string(message.Value)] = true
		}
		for _, value := range want {
			if !got[value] {
				t.Errorf("%q was not read", value)
			}
		}

		// Topics are made on request only.
		writer := kafka.Writer{Addr: kafka.TCP(addr), Topic: "typo", RequiredAcks: kafka.RequireAll, MaxAttempts: 1}
		defer writer.Close()
		if err := writer.WriteMessages(t.Context(), kafka.Message{Value: []byte("x")}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("write to a topic that is not there: %v", err)
		}
	}
	t.Run("in process", func(t *testing.T) {
		k := stacktest.Kafka(t)
		try(t, k.Addr, k)
	})
	t.Run("real", func(t *testing.T) {
		b := stacktest.RealKafka(t)
		try(t, b.Addr, b)

		b.Kill()
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(readAll(t, b.Addr, "logs", 3)); got != 30 {
			t.Errorf("%d messages after kill -9, want 30", got)
		}
		b.Stop()
	})
}

// Of three brokers one may go, and come back.
func TestRealCluster(t *testing.T) {
	t.Parallel()
	stacktest.Long(t, "three real brokers take 20 s")
	brokers := stacktest.RealCluster(t, 3)
	if err := brokers[0].CreateTopic(t.Context(), "logs", 1); err != nil {
		t.Fatal(err)
	}
	want := produce(t, brokers[1].Addr, "logs", 10)
	brokers[0].Kill()
	want = append(want, produce(t, brokers[1].Addr, "logs", 15)...)
	if err := brokers[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// An acknowledgement may be lost with the broker. The writer then writes the batch again, and
	// both copies stay: kafka-go's writer is not idempotent.
	got := map[string]bool{}
	for _, value := range readAll(t, brokers[0].Addr, "logs", 1) {
		got[value] = true
	}
	for _, value := range want {
		if !got[value] {
			t.Errorf("%q is lost", value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d different messages, want %d", len(got), len(want))
	}
}

// produce writes n messages and returns their values; all are acknowledged.
func produce(t testing.TB, addr, topic string, n int) (values []string) {
	t.Helper()
	writer := kafka.Writer{Addr: kafka.TCP(addr), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
		MaxAttempts: 50, Transport: &kafka.Transport{MetadataTTL: time.Second}}
	defer writer.Close()
	var messages []kafka.Message
	for i := range n {
		value := fmt.Sprintf("%d of %d", i, n)
		values = append(values, value)
		messages = append(messages, kafka.Message{Value: []byte(value)})
	}
	err := writer.WriteMessages(t.Context(), messages...)
	// The broker may not know yet of a topic that was created through another one. Nothing was
	// written.
	for deadline := time.Now().Add(20 * time.Second); errors.Is(err, kafka.UnknownTopicOrPartition) && time.Now().Before(deadline); {
		time.Sleep(200 * time.Millisecond)
		err = writer.WriteMessages(t.Context(), messages...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// readAll reads what a topic holds.
func readAll(t testing.TB, addr, topic string, partitions int) (values []string) {
	t.Helper()
	for partition := range partitions {
		conn, err := kafka.DialLeader(t.Context(), "tcp", addr, topic, partition)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		first, end, err := conn.ReadOffsets()
		if err != nil {
			t.Fatal(err)
		}
		for offset := first; offset < end; offset++ {
			message, err := conn.ReadMessage(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, string(message.Value))
		}
	}
	return values
}

// commit commits an offset with metadata, and committed reads both back.
func commit(t testing.TB, addr, topic string, offset int64, metadata string) {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(addr)}
	resp, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: offset, Metadata: metadata}}}})
	if err == nil {
		err = resp.Topics[topic][0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func committed(t testing.TB, addr, topic string) (offset int64, metadata string) {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(addr)}
	resp, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{topic: {0}}})
	if err != nil {
		t.Fatal(err)
	}
	p := resp.Topics[topic][0]
	return p.CommittedOffset, p.Metadata
}

// A member that dies between join and sync is forgotten, and others can join.
func TestGroupForgetsADeadMember(t *testing.T) {
	t.Parallel()
	k := stacktest.Kafka(t)
	client := kafka.Client{Addr: kafka.TCP(k.Addr), Timeout: time.Minute}
	join := func(group string) error {
		request := kafka.JoinGroupRequest{
			GroupID: group, SessionTimeout: time.Second, RebalanceTimeout: time.Second, ProtocolType: "consumer",
			Protocols: []kafka.GroupProtocol{{Name: "range", Metadata: kafka.GroupProtocolSubscription{Topics: []string{"logs"}}}},
		}
		answer, err := client.JoinGroup(t.Context(), &request)
		if err == nil && errors.Is(answer.Error, kafka.MemberIDRequired) {
			request.MemberID = answer.MemberID
			answer, err = client.JoinGroup(t.Context(), &request)
		}
		if err != nil {
			return err
		}
		return answer.Error
	}
	const groups = 20 // which timer runs out first is chance
	for _, pause := range []time.Duration{0, 1500 * time.Millisecond} {
		time.Sleep(pause)
		for n := range groups {
			if err := join(fmt.Sprintf("group-%d", n)); err != nil {
				t.Errorf("group %d, after %s: %v", n, pause, err)
			}
		}
	}
}

func TestKafkaKeepsData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() *stack.Kafka {
		t.Helper()
		k, err := stack.StartKafka(stack.KafkaConfig{Dir: dir, Log: stacktest.Log(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Stop)
		return k
	}
	k := start()
	id := clusterID(t, k.Addr)
	if other := clusterID(t, stacktest.Kafka(t).Addr); id == "" || id == other {
		t.Errorf("cluster ids of two folders: %q and %q", id, other)
	}
	if err := k.CreateTopic(t.Context(), "logs", 1); err != nil {
		t.Fatal(err)
	}
	produce(t, k.Addr, "logs", 10)
	commit(t, k.Addr, "logs", 3, "plan")

	_, err := stack.StartKafka(stack.KafkaConfig{Dir: dir})
	wantWords(t, err, dir, "in use", fmt.Sprint(os.Getpid()))

	// Half an entry at the end of the group log, as a kill can leave it, costs
	// nothing that is written later. Without our cut kfake loses that. A copy of
	// the folder is what a kill would leave: Stop would tidy up.
	crash := func() {
		t.Helper()
		left := t.TempDir()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		k.Stop()
		dir = left
		log, err := os.OpenFile(filepath.Join(dir, "groups.log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		log.WriteString("\x40\x00\x00\x00half an entry")
		log.Close()
		k = start()
	}
	crash()
	if offset, metadata := committed(t, k.Addr, "logs"); offset != 3 || metadata != "plan" {
		t.Errorf("committed %d %q, want 3 plan", offset, metadata)
	}
	commit(t, k.Addr, "logs", 7, "next")
	crash()
	if offset, metadata := committed(t, k.Addr, "logs"); offset != 7 || metadata != "next" {
		t.Errorf("committed %d %q, want 7 next", offset, metadata)
	}
	k.Stop()
	k = start()
	if offset, metadata := committed(t, k.Addr, "logs"); offset != 7 || metadata != "next" {
		t.Errorf("committed %d %q, want 7 next", offset, metadata)
	}
	if got := readAll(t, k.Addr, "logs", 1); len(got) != 10 {
		t.Errorf("%d messages, want 10", len(got))
	}
	if got := clusterID(t, k.Addr); got != id {
		t.Errorf("cluster id %q, was %q", got, id)
	}
}

func clusterID(t testing.TB, addr string) string {
	t.Helper()
	// Its own transport: the shared one would go on believing for six seconds
	// that there are no topics.
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	resp, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return resp.ClusterID
}

func TestKafkaRefusals(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, err = stack.StartKafka(stack.KafkaConfig{Dir: t.TempDir(), Addr: l.Addr().String()})
	wantWords(t, err, "port "+port, "for Kafka", "in use", "--kafka")

	for _, meta := range []string{"{", `{"version": 99, "cluster_id": "x"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "meta.json"), []byte(meta), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = stack.StartKafka(stack.KafkaConfig{Dir: dir})
		wantWords(t, err, dir, "damaged or of another version", "remove them")
	}

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = stack.StartKafka(stack.KafkaConfig{Dir: filepath.Join(file, "kafka")})
	wantWords(t, err, "make the Kafka data folder", "not a directory")
}

func TestStack(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	dir := filepath.Join(t.TempDir(), "data")
	s, err := stack.Up(t.Context(), stack.Config{Dir: dir, Log: stacktest.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	if len(s.Brokers) != 1 || s.ClickHouseAddr == "" || s.ClickHouseHTTP == "" {
		t.Errorf("%+v", s)
	}
	_, err = stack.Up(t.Context(), stack.Config{Dir: dir})
	wantWords(t, err, "already", dir, fmt.Sprint(os.Getpid()), "--dir")

	// One part from elsewhere: only the other is started.
	other, err := stack.Up(t.Context(), stack.Config{Dir: t.TempDir(), ExternalClickHouse: s.ClickHouseAddr})
	if err != nil {
		t.Fatal(err)
	}
	if other.ClickHouse != nil || other.Kafka == nil || other.ClickHouseAddr != s.ClickHouseAddr {
		t.Errorf("%+v", other)
	}
	if err := other.Stop(t.Context()); err != nil {
		t.Error(err)
	}

	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	// Nothing is left that would keep the next one from the folder or the ports.
	s, err = stack.Up(t.Context(), stack.Config{Dir: dir, Kafka: s.Brokers[0], ClickHouse: s.ClickHouseAddr, HTTP: s.ClickHouseHTTP})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}

	free := stacktest.FreeAddr(t)
	_, err = stack.Up(t.Context(), stack.Config{Dir: t.TempDir(), ExternalClickHouse: free})
	wantWords(t, err, "ClickHouse at "+free, "cannot be reached")
	_, err = stack.Up(t.Context(), stack.Config{Dir: t.TempDir(), ExternalKafka: []string{free}})
	if err == nil || !strings.Contains(err.Error(), "Kafka at "+free) {
		t.Error(err)
	}
}

// onceReady asks a broker again while its answer is temporary. A broker that has just begun may not
// coordinate the group yet. kafka-go's reader tries again by itself a few times, too few for a busy
// machine.
func onceReady(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		var refused kafka.Error
		if !errors.As(err, &refused) || !refused.Temporary() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}
