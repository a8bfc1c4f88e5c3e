package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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
}

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

// Kafka is a checked link to a cluster whose topics are there.
type Kafka struct {
	ClusterID string

	cfg       Config
	client    *kafka.Client
	transport *kafka.Transport
	dialer    *kafka.Dialer
}

// startTimeout is how long a cluster may take to answer at start.
const startTimeout = 10 * time.Second

// Connect reaches the cluster and looks whether every topic is there and fit to be read. Its errors
// are link.ErrUnreachable, link.ErrRefused, or wrong settings; each is one sentence to show to the user.
func Connect(ctx context.Context, cfg Config) (*Kafka, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	tls, err := cfg.TLS.Config()
	if err != nil {
		return nil, fmt.Errorf("kafka.tls.%w", err)
	}
	transport := &kafka.Transport{
		ClientID: "errata", TLS: tls, SASL: mechanism,
		DialTimeout: 5 * time.Second,
		MetadataTTL: 2 * time.Second, // how soon a partition's new leader is noticed
	}
	k := &Kafka{
		cfg:       cfg,
		transport: transport,
		client:    &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport, Timeout: 10 * time.Second},
		dialer:    &kafka.Dialer{ClientID: "errata", Timeout: 5 * time.Second, DualStack: true, TLS: tls, SASLMechanism: mechanism},
	}
	if err := k.awaitTopics(ctx, tls); err != nil {
		k.Close()
		return nil, err
	}
	if err := k.refuseCompacted(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// Close ends all connections.
func (k *Kafka) Close() { k.transport.CloseIdleConnections() }

func (s SASL) mechanism() (sasl.Mechanism, error) {
	password, err := link.Password(s.Password, s.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("kafka.sasl.%w", err)
	}
	switch s.Mechanism {
	case "PLAIN":
		return plain.Mechanism{Username: s.Username, Password: password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.Username, password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.Username, password)
	}
	return nil, nil
}

func (k *Kafka) awaitTopics(ctx context.Context, tlsConfig *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	brokers := strings.Join(k.cfg.Brokers, ",")
	var last error
	for {
		try, cancelTry := context.WithTimeout(ctx, 3*time.Second)
		meta, err := k.client.Metadata(try, &kafka.MetadataRequest{Topics: k.cfg.Topics})
		cancelTry()
		if err == nil {
			k.ClusterID = meta.ClusterID
			return missingTopic(meta, brokers)
		}
		if refused := k.refusal(err, brokers); refused != nil {
			return refused
		}
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			hint := ""
			if errors.Is(last, io.EOF) || errors.Is(last, io.ErrUnexpectedEOF) {
				hint = "; it closes the connection, as a broker does that wants TLS or SASL: see kafka.tls and kafka.sasl"
				if tlsConfig != nil {
					hint = "; it closes the connection, as a broker does that wants SASL, or no TLS: see kafka.sasl and kafka.tls"
				}
			}
			return link.Unreachable("kafka at %s does not answer (%s)%s", brokers, link.Cause(last), hint)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// refusal is the sentence for an error that no waiting will mend, nil for others.
func (k *Kafka) refusal(err error, brokers string) error {
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return link.Refused("kafka at %s refuses user %q: wrong password or unknown user; set kafka.sasl.username and kafka.sasl.password", brokers, k.cfg.SASL.Username)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return link.Refused("kafka at %s does not offer SASL mechanism %s: set kafka.sasl.mechanism", brokers, k.cfg.SASL.Mechanism)
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		return link.Refused("kafka at %s does not let us use group %q: grant READ on it", brokers, k.cfg.Group)
	case errors.As(err, &unknownCA), errors.As(err, &wrongHost):
		return link.Refused("kafka at %s: its certificate is not trusted: %v; set kafka.tls.ca_file", brokers, err)
	}
	return nil
}

func missingTopic(meta *kafka.MetadataResponse, brokers string) error {
	for _, t := range meta.Topics {
		switch {
		case errors.Is(t.Error, kafka.UnknownTopicOrPartition):
			return link.Refused("kafka at %s has no topic %q: create it, or set kafka.topics", brokers, t.Name)
		case errors.Is(t.Error, kafka.TopicAuthorizationFailed):
			return link.Refused("kafka at %s does not let us read topic %q: grant READ and DESCRIBE on it", brokers, t.Name)
		case t.Error != nil:
			return link.Unreachable("kafka at %s: topic %q: %v", brokers, t.Name, t.Error)
		}
	}
	return nil
}

// refuseCompacted refuses topics that Kafka compacts: what is gone from the middle of a batch would change
// its sums when it is read again. A cluster that does not let us ask is taken at its word.
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
