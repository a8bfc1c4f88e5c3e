package stack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KafkaConfig configures a broker that we start.
type KafkaConfig struct {
	// Dir is the data folder. It is created if it does not exist. "" keeps everything in memory.
	Dir string

	// Addr is HOST:PORT with 127.0.0.1 as the host. Port 0, the default, takes a free port.
	Addr string

	// Log gets the broker's warnings. nil discards them.
	Log *slog.Logger
}

// A Kafka is a broker inside this process: kfake, which speaks Kafka's protocol with topics, groups
// and transactions. It is a single broker without passwords, and it creates topics only on request.
//
// An acknowledged batch or commit survives kill -9 of the process. kfake writes each batch to its
// segment file and each commit to its log with one write(2) before it answers, without a buffer of
// its own. What write(2) has accepted belongs to the kernel and outlives us. It does not survive a
// loss of power; neither does it on an Apache Kafka of one broker.
type Kafka struct {
	Addr string // HOST:PORT

	cluster *kfake.Cluster
	lock    *folderLock // nil without a folder
}

// StartKafka starts a broker. It listens when StartKafka returns.
func StartKafka(cfg KafkaConfig) (*Kafka, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Another program may take a free port before we do. Then try again with another one.
	for attempt := 1; ; attempt++ {
		addr, err := choosePort(cfg.Addr)
		if err != nil {
			return nil, fmt.Errorf("address of Kafka: %w", err)
		}
		k, err := startKafka(cfg, addr)
		if err == nil || addr == cfg.Addr || !errors.Is(err, syscall.EADDRINUSE) || attempt == 5 {
			return k, err
		}
	}
}

func startKafka(cfg KafkaConfig, addr string) (*Kafka, error) {
	_, portText, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(portText)
	if err := portFree(addr, "Kafka", "--kafka"); err != nil {
		return nil, err
	}

	opts := []kfake.Opt{
		kfake.Ports(port),
		// Only for a new folder. The id belongs to the data and is stored with them, so that a
		// database can tell whose offsets it holds.
		kfake.ClusterID(newClusterID()),
		// Consumers that must notice a dead member soon ask for short sessions.
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.WithLogger(kafkaLog{cfg.Log}),
	}
	k := &Kafka{Addr: addr}
	var err error
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("make the Kafka data folder: %w", err)
		}
		if k.lock, err = lockFile(filepath.Join(cfg.Dir, "broker.lock")); err != nil {
			return nil, fmt.Errorf("start Kafka: %w; stop that one or use another folder (--dir)", err)
		}
		if err := cutTornEnds(cfg.Dir); err != nil {
			k.lock.release()
			return nil, err
		}
		opts = append(opts, kfake.DataDir(cfg.Dir))
	}
	if k.cluster, err = kfake.NewCluster(opts...); err != nil {
		if k.lock != nil {
			k.lock.release()
		}
		var op *net.OpError
		if errors.As(err, &op) {
			return nil, fmt.Errorf("start Kafka on %s: %w", addr, err)
		}
		return nil, fmt.Errorf("start Kafka: the data in %q are damaged or of another version (%w): "+
			"remove them, together with ClickHouse's beside them, or use another folder (--dir)", cfg.Dir, err)
	}
	k.cluster.ControlKey(int16(kmsg.JoinGroup), rebalanceAfterSession)
	return k, nil
}

// rebalanceAfterSession makes a group wait for a missing member a second longer than its session
// lasts. Of a member that dies between join and sync, kfake ends the session and the wait by two
// timers, which run out together if both timeouts are equal. When the wait ends first, kfake takes
// the member's protocols off its books twice, and then refuses every other member with
// INCONSISTENT_GROUP_PROTOCOL.
func rebalanceAfterSession(request kmsg.Request) (kmsg.Response, error, bool) {
	if join := request.(*kmsg.JoinGroupRequest); join.RebalanceTimeoutMillis < join.SessionTimeoutMillis+1000 {
		join.RebalanceTimeoutMillis = join.SessionTimeoutMillis + 1000
	}
	return nil, nil, false
}

// Stop flushes the data and closes all connections.
func (k *Kafka) Stop() {
	k.cluster.Close()
	if k.lock != nil {
		k.lock.release()
	}
}

// CreateTopic creates a topic. It succeeds if the topic already exists, with any number of
// partitions.
func (k *Kafka) CreateTopic(ctx context.Context, name string, partitions int) error {
	return CreateTopic(ctx, []string{k.Addr}, name, partitions)
}

// CreateTopic creates a topic on any Kafka, as [Kafka.CreateTopic] does.
func CreateTopic(ctx context.Context, brokers []string, name string, partitions int) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second, Transport: transport}
	resp, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err == nil {
		err = resp.Errors[name]
	}
	if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("create topic %q on Kafka at %s: %w", name, strings.Join(brokers, ","), err)
	}
	return nil
}

// newClusterID returns a cluster id of Kafka's form: 16 random bytes in 22 characters.
func newClusterID() string {
	var id [16]byte
	rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// cutTornEnds shortens kfake's two logs to their last whole entry. A kill during a write can leave
// half an entry. kfake reads up to there but then appends after it, and the next start loses all
// that was appended. (kfake cuts the torn ends of its segment files itself.)
//
// An entry is the length of what follows the checksum (4 bytes, little endian), the CRC-32C of that
// (4 bytes), a version (2 bytes) and the data.
func cutTornEnds(dir string) error {
	for _, name := range []string{"groups.log", "pids.log"} {
		path := filepath.Join(dir, name)
		log, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the Kafka data: %w", err)
		}
		whole := 0
		for rest := log; len(rest) >= 8; rest = log[whole:] {
			n := int64(binary.LittleEndian.Uint32(rest))
			if n < 2 || int64(len(rest)) < 8+n ||
				crc32.Checksum(rest[8:8+n], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(rest[4:]) {
				break
			}
			whole += 8 + int(n)
		}
		if whole < len(log) {
			if err := os.Truncate(path, int64(whole)); err != nil {
				return fmt.Errorf("cut the torn end of the Kafka data: %w", err)
			}
		}
	}
	return nil
}

// kafkaLog passes on kfake's warnings and errors. On lower levels kfake logs every request.
type kafkaLog struct{ log *slog.Logger }

func (l kafkaLog) Logf(level kfake.LogLevel, format string, args ...any) {
	var to slog.Level
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	default:
		return
	}
	l.log.Log(context.Background(), to, strings.TrimSpace(fmt.Sprintf(format, args...)), "part", "kafka")
}
