package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"errata/internal/link"
	"errata/internal/store"
)

// The names of what a demo makes.
const (
	topicPrefix = "errata-sample-" // topicTime follows
	topicTime   = "20060102T150405"

	// On the stack's own servers the names are those of the default settings, so that the other
	// commands work at once.
	ownDatabase, ownGroup = "errata", "errata"

	// On servers that others use, the sample has a database and a group to itself.
	sampleDatabase, sampleGroup = "errata_sample", "errata-sample"
)

// sampleTopic matches the topics of demos.
var sampleTopic = regexp.MustCompile(`^` + topicPrefix + `\d{8}T\d{6}$`)

// external names servers that are already running and may hold real data. Only flags name them,
// never the environment or config.yaml.
type external struct {
	kafka                  hostPorts
	clickhouse             string
	username, passwordFile string
}

func (x *external) flags(f *pflag.FlagSet) {
	f.Var(&x.kafka, "external-kafka", "use this running Kafka, `HOST:PORT,…`, instead of starting one; the sample gets topics "+topicPrefix+"… and the group "+sampleGroup)
	f.StringVar(&x.clickhouse, "external-clickhouse", "", "use this running ClickHouse, `HOST:PORT`, instead of starting one; the sample gets the database "+sampleDatabase)
	f.StringVar(&x.username, "external-clickhouse-user", "default", "`name` of the user of the running ClickHouse")
	f.StringVar(&x.passwordFile, "external-clickhouse-password-file", "", "`file` with that user's password in its first line")
}

func (x *external) validate() (err error) {
	if x.clickhouse != "" && !link.IsHostPort(x.clickhouse) {
		return fmt.Errorf("--external-clickhouse %q: give HOST:PORT of the native protocol", x.clickhouse)
	}
	if x.clickhouse == "" && (x.username != "default" || x.passwordFile != "") {
		return fmt.Errorf("a user or password without --external-clickhouse: the stack's own ClickHouse has no passwords")
	}
	if x.passwordFile != "" {
		x.passwordFile, err = filepath.Abs(x.passwordFile)
	}
	return err
}

func (x *external) any() bool { return len(x.kafka) > 0 || x.clickhouse != "" }

// store returns the settings of the sample's database.
func (x *external) store(addr string) store.Config {
	database := ownDatabase
	if x.any() {
		database = sampleDatabase
	}
	return store.Config{Addr: []string{addr}, Database: database, Username: x.username, PasswordFile: x.passwordFile}
}

// group returns the sample's consumer group.
func (x *external) group() string {
	if x.any() {
		return sampleGroup
	}
	return ownGroup
}

// hostPorts is the value of a flag for a list of addresses.
type hostPorts []string

// String implements pflag.Value.
func (h *hostPorts) String() string { return strings.Join(*h, ",") }

// Set implements pflag.Value.
func (h *hostPorts) Set(text string) error {
	addrs := strings.Split(text, ",")
	for i, addr := range addrs {
		if addrs[i] = strings.TrimSpace(addr); !link.IsHostPort(addrs[i]) {
			return errors.New("give HOST:PORT, or several with commas between them")
		}
	}
	*h = addrs
	return nil
}

// Type implements pflag.Value.
func (*hostPorts) Type() string { return "addresses" }
