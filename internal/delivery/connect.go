package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"errata/internal/link"
	"errata/internal/store"
)

// Config says which records are read, from where, and how they are batched.
type Config struct {
	Brokers []string `mapstructure:"brokers"` // host:port of some brokers of the cluster
	Topics  []string `mapstructure:"topics"`
	Group   string   `mapstructure:"group"` // the consumer group
	Start   string   `mapstructure:"start"` // where a group without commits begins: earliest, latest, or a time in RFC 3339
	TLS     link.TLS `mapstructure:"tls"`
	SASL    SASL     `mapstructure:"sasl"`

	Batch  Batch        `mapstructure:"-"`
	Limits store.Limits `mapstructure:"-"`
	Memory int64        `mapstructure:"-"` // bytes that the pipeline may hold; 0: defaultMemory

	SealAfter time.Duration `mapstructure:"-"` // from the end of a day to its seal (store.SealDays); 0: never
}

const defaultMemory = 256 << 20

func (c Config) memory() int64 { return cmp.Or(c.Memory, defaultMemory) }

// SASL is how we prove to Kafka who we are.
type SASL struct {
	Mechanism    string `mapstructure:"mechanism"` // "", PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username     string `mapstructure:"username"`
	Password     string `mapstructure:"password"`
	PasswordFile string `mapstructure:"password_file"`
}

// Batch says when what has been read is sealed and inserted: at whichever of these comes first.
type Batch struct {
	Rows  int           `mapstructure:"rows"`  // of all tables
	Bytes int64         `mapstructure:"bytes"` // of the records read
	Age   time.Duration `mapstructure:"age"`   // of the oldest record read
}

// Validate says what is wrong with the settings, without asking a server.
func (c Config) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("kafka.brokers is empty: give host:port of at least one broker")
	case len(c.Topics) == 0:
		return errors.New("kafka.topics is empty: give at least one topic")
	case c.Group == "":
		return errors.New("kafka.group is empty: give the consumer group a name")
	case !slices.Contains([]string{"", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}, c.SASL.Mechanism):
		return fmt.Errorf("kafka.sasl.mechanism %q: give PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or leave it empty", c.SASL.Mechanism)
	}
	if c.SASL.Mechanism != "" && c.SASL.Username == "" {
		return fmt.Errorf("kafka.sasl.username is empty: mechanism %s needs one", c.SASL.Mechanism)
	}
	for _, b := range c.Brokers {
		if !link.IsHostPort(b) {
			return fmt.Errorf("kafka.brokers %q: give host:port", b)
		}
	}
	if c.Start != startEarliest && c.Start != startLatest {
		if _, err := time.Parse(time.RFC3339, c.Start); err != nil {
			return fmt.Errorf("kafka.start %q: give earliest, latest, or a time such as 2026-11-02T15:04:05Z", c.Start)
		}
	}
	return nil
}

const (
	startEarliest = "earliest"
	startLatest   = "latest"
)

// Kafka is a checked connection to a cluster that has our topics.
type Kafka struct {
	ClusterID string

	cfg       Config
	client    *kafka.Client
	transport *kafka.Transport
	dialer    *kafka.Dialer
	original  map[string]int // by topic: how many partitions it had when the group first read it
	leaders   map[topicPartition]int
	asked     time.Time // when leaders was asked for
	ahead     *asking   // for what follows the last fetch; may be nil
	unpacker  unpacker
}

// startTimeout is how long a cluster may take to answer at start.
const startTimeout = 10 * time.Second

// Connect reaches the cluster and checks that every topic exists and can be read. Its errors are
// link.ErrUnreachable, link.ErrRefused, or wrong settings; each is one sentence to show to the
// user.
func Connect(ctx context.Context, cfg Config) (*Kafka, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	dialer, err := cfg.TLS.Dialer()
	if err != nil {
		return nil, fmt.Errorf("kafka.tls.%w", err)
	}
	k := &Kafka{
		cfg:    cfg,
		dialer: &kafka.Dialer{ClientID: clientID(), Timeout: 5 * time.Second, DialFunc: dialer.Dial, SASLMechanism: mechanism},
	}
	k.connect()
	if err := k.awaitTopics(ctx); err != nil {
		k.Close()
		return nil, err
	}
	if err := errors.Join(k.mayUse(ctx), k.refuseCompacted(ctx)); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// connect begins with no connections and no knowledge of the cluster; both come with the first
// request.
func (k *Kafka) connect() {
	k.transport = &kafka.Transport{
		ClientID: k.dialer.ClientID, Dial: k.dialer.DialFunc, SASL: k.dialer.SASLMechanism,
		DialTimeout: k.dialer.Timeout,
		MetadataTTL: 2 * time.Second, // how soon a partition's new leader is noticed
	}
	k.client = &kafka.Client{Addr: kafka.TCP(k.cfg.Brokers...), Transport: k.transport, Timeout: 10 * time.Second}
	k.asked, k.ahead = time.Time{}, nil
}

// reconnect drops all connections and everything known of the cluster.
func (k *Kafka) reconnect() {
	k.Close()
	k.connect()
}

// Close ends all connections.
func (k *Kafka) Close() { k.transport.CloseIdleConnections() }

// mechanism returns the SASL mechanism, nil without SASL.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		return nil, nil
	}
	password, err := link.NewSecret(s.Password, s.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("kafka.sasl.%w", err)
	}
	r := &rereading{settings: s, password: password}
	_, _, err = r.Start(context.Background())
	return r, err
}

// rereading is a mechanism that reads the password at each connection, since it may have been
// changed.
type rereading struct {
	settings SASL
	password *link.Secret

	mu      sync.Mutex
	made    sasl.Mechanism // SCRAM's remembers what it derived from the password, which is meant to be slow
	madeFor string         // the password
}

// Name returns the mechanism's name.
func (r *rereading) Name() string { return r.settings.Mechanism }

// Start begins to authenticate a connection.
func (r *rereading) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	m, err := r.today()
	if err != nil {
		return nil, nil, err
	}
	return m.Start(ctx)
}

// today returns the mechanism with the current password.
func (r *rereading) today() (_ sasl.Mechanism, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	password := r.password.Value()
	if r.made != nil && password == r.madeFor {
		return r.made, nil
	}
	switch r.settings.Mechanism {
	case "PLAIN":
		r.made = plain.Mechanism{Username: r.settings.Username, Password: password}
	case "SCRAM-SHA-256":
		r.made, err = scram.Mechanism(scram.SHA256, r.settings.Username, password)
	case "SCRAM-SHA-512":
		r.made, err = scram.Mechanism(scram.SHA512, r.settings.Username, password)
	}
	if err != nil {
		// The library's error is not shown: it may contain what it could not use.
		return nil, errors.New("kafka.sasl: the username or the password has characters that SCRAM does not allow")
	}
	r.madeFor = password
	return r.made, nil
}

// topicPatience is how long a topic may be missing at start: not every broker knows yet of one that
// was just created.
const topicPatience = 3 * time.Second

// awaitTopics waits until the cluster answers, and checks that it has our topics.
func (k *Kafka) awaitTopics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	brokers := strings.Join(k.cfg.Brokers, ",")
	var last error
	began := time.Now()
	for tries := 1; ; tries++ {
		try, cancelTry := context.WithTimeout(ctx, 3*time.Second)
		meta, err := k.client.Metadata(try, &kafka.MetadataRequest{Topics: k.cfg.Topics})
		cancelTry()
		if err == nil {
			k.ClusterID = meta.ClusterID
			missing := k.missingTopic(ctx, meta, brokers)
			if missing == nil || time.Since(began) > topicPatience {
				return missing
			}
			if !sleep(ctx, 250*time.Millisecond) {
				return missing
			}
			continue
		}
		if refused := k.refusal(err, brokers); refused != nil {
			return refused
		}
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		// A broker that starts or stops closes connections too, so this is not checked at once.
		if tries%4 == 0 {
			if refused := k.closedOnUs(ctx, brokers); refused != nil {
				return refused
			}
		}
		select {
		case <-ctx.Done():
			return link.Unreachable("kafka at %s does not answer (%s): is it running, and is kafka.brokers right?", brokers, link.Cause(last))
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// refusal returns the sentence for an error that waiting does not fix, nil for others.
func (k *Kafka) refusal(err error, brokers string) error {
	user, mechanism := k.cfg.SASL.Username, k.cfg.SASL.Mechanism
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return link.Refused("kafka at %s refuses user %q: wrong password or unknown user; set kafka.sasl.username and kafka.sasl.password", brokers, user)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return link.Refused("kafka at %s does not offer SASL mechanism %s: set kafka.sasl.mechanism to one that it does", brokers, mechanism)
	case errors.Is(err, kafka.IllegalSASLState):
		return link.Refused("kafka at %s takes no SASL on that port: leave kafka.sasl.mechanism empty, or set kafka.brokers to the port with SASL", brokers)
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		return link.Refused("kafka at %s does not let us use group %q: grant READ on it, or set kafka.group", brokers, k.cfg.Group)
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return link.Refused("kafka at %s does not let us read the topics %q: grant READ on them, or set kafka.topics", brokers, k.cfg.Topics)
	}
	if reason := k.cfg.TLS.Explain(err, "kafka", "kafka.brokers"); reason != "" {
		return link.Refused("kafka at %s: %s", brokers, reason)
	}
	return nil
}

// closedOnUs finds out, broker by broker, why they close our connections without an answer, which
// is what Kafka does to a client without TLS or SASL where it requires them. It returns nil when
// that is not the reason. It sends no secret.
func (k *Kafka) closedOnUs(ctx context.Context, brokers string) error {
	for _, addr := range k.cfg.Brokers {
		known, answers := k.answers(ctx, addr, k.dialer.DialFunc)
		switch {
		case answers && k.cfg.SASL.Mechanism == "" && !known:
			return link.Refused("kafka at %s wants SASL: set kafka.sasl.mechanism, kafka.sasl.username and kafka.sasl.password", brokers)
		case answers:
			// All is well now.
		case !k.cfg.TLS.Enabled && link.SpeaksTLS(ctx, addr):
			return link.Refused("kafka at %s wants TLS: set kafka.tls.enabled to true, or kafka.brokers to the port without TLS", brokers)
		case k.cfg.TLS.Enabled:
			if _, plain := k.answers(ctx, addr, new(net.Dialer).DialContext); plain {
				return link.Refused("kafka at %s speaks no TLS on that port: set kafka.tls.enabled to false, or kafka.brokers to the port with TLS", brokers)
			}
		}
	}
	return nil
}

// answers reports whether a broker answers, without SASL, the one request that it answers to
// everybody, and whether it then answers one that it answers only to clients that it knows.
func (k *Kafka) answers(ctx context.Context, addr string, dial func(context.Context, string, string) (net.Conn, error)) (known, answers bool) {
	conn, err := (&kafka.Dialer{ClientID: clientID(), Timeout: 3 * time.Second, DialFunc: dial}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := conn.ApiVersions(); err != nil {
		return false, false
	}
	_, err = conn.Brokers()
	return err == nil, true
}

// isHidden reports whether a topic exists that we may not see. The transport asks for all topics,
// and then such a topic looks like one that does not exist.
func (k *Kafka) isHidden(ctx context.Context, topic string) bool {
	for _, addr := range k.cfg.Brokers {
		conn, err := k.dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		conn.SetDeadline(time.Now().Add(3 * time.Second))
		_, err = conn.ReadPartitions(topic)
		conn.Close()
		return errors.Is(err, kafka.TopicAuthorizationFailed)
	}
	return false
}

// mayUse tries, without an effect, what we do later, to see whether we have the rights. It passes
// when that cannot be tried now.
func (k *Kafka) mayUse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	brokers := strings.Join(k.cfg.Brokers, ",")
	coordinator, err := k.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: k.cfg.Group, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err == nil && errors.Is(coordinator.Error, kafka.GroupAuthorizationFailed) {
		return k.refusal(coordinator.Error, brokers)
	}
	for _, t := range k.cfg.Topics {
		// A topic that we may describe, and so was found, we may still not read.
		for _, f := range k.fetchFrom(ctx, k.transport, []position{{topicPartition{t, 0}, 0}}, 1, time.Millisecond) {
			if errors.Is(f.err, kafka.TopicAuthorizationFailed) {
				return notAuthorised(t, brokers)
			}
		}
	}
	return nil
}

func notAuthorised(topic, brokers string) error {
	return link.Refused("kafka at %s does not let us read topic %q: grant READ on it, or set kafka.topics", brokers, topic)
}

// missingTopic returns why a topic cannot be read by what the metadata say, nil when all can.
func (k *Kafka) missingTopic(ctx context.Context, meta *kafka.MetadataResponse, brokers string) error {
	for _, t := range meta.Topics {
		switch {
		case errors.Is(t.Error, kafka.UnknownTopicOrPartition):
			if k.isHidden(ctx, t.Name) {
				return notAuthorised(t.Name, brokers)
			}
			return link.Refused("kafka at %s has no topic %q: create it, or set kafka.topics", brokers, t.Name)
		case errors.Is(t.Error, kafka.TopicAuthorizationFailed):
			return notAuthorised(t.Name, brokers)
		case t.Error != nil:
			return link.Unreachable("kafka at %s: topic %q: %v", brokers, t.Name, t.Error)
		}
	}
	return nil
}

// refuseCompacted refuses topics that Kafka compacts: a record that is gone from the middle of a
// batch would change the batch's sums when it is read again. It passes where the cluster does not
// let us ask.
func (k *Kafka) refuseCompacted(ctx context.Context) error {
	req := &kafka.DescribeConfigsRequest{}
	for _, t := range k.cfg.Topics {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: t, ConfigNames: []string{"cleanup.policy"},
		})
	}
	resp, err := k.client.DescribeConfigs(ctx, req)
	if err != nil {
		return nil //nolint:nilerr // rights to describe configurations are not needed otherwise
	}
	for _, r := range resp.Resources {
		for _, c := range r.ConfigEntries {
			if c.ConfigName == "cleanup.policy" && strings.Contains(c.ConfigValue, "compact") {
				return link.Refused("topic %q is compacted (cleanup.policy=%s), so its records cannot be counted: read one with cleanup.policy=delete", r.ResourceName, c.ConfigValue)
			}
		}
	}
	return nil
}
