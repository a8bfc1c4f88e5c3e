// Package config is the sum of the packages' settings. Defaults are overridden by config.yaml, and
// both by the environment. After Load all values are valid, and nothing checks them again.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"errata/internal/catalog"
	"errata/internal/delivery"
	"errata/internal/enrich"
	"errata/internal/notify"
	"errata/internal/report"
	"errata/internal/store"
	"errata/internal/yamlfile"
)

// Config is all settings. config.yaml at the top of the repository explains each one.
type Config struct {
	Kafka      delivery.Config `mapstructure:"kafka"`
	ClickHouse store.Config    `mapstructure:"clickhouse"`
	Catalogs   catalog.Config  `mapstructure:"catalogs"`
	Ingest     struct {
		enrich.Config `mapstructure:",squash"`
		Batch         delivery.Batch `mapstructure:"batch"`
		Limits        store.Limits   `mapstructure:"limits"`
		Memory        int64          `mapstructure:"memory"`     // bytes that the pipeline may use
		SealAfter     time.Duration  `mapstructure:"seal_after"` // from the end of a day until its sums are sealed
	} `mapstructure:"ingest"`
	Notify  notify.Config `mapstructure:"notify"`
	Reports struct {
		Delivery string       `mapstructure:"delivery"` // AtLeastOnce or AtMostOnce
		Link     string       `mapstructure:"link"`     // template of a report.Link; "": no links
		Fence    notify.Fence `mapstructure:"fence"`
	} `mapstructure:"reports"`
	Metrics struct {
		TopCodes int `mapstructure:"top_codes"` // how many the alert evaluator shows; 0: none
	} `mapstructure:"metrics"`
	Log struct {
		Level slog.Level `mapstructure:"level"`
	} `mapstructure:"log"`
	HTTP struct {
		Addr  string `mapstructure:"addr"`
		Pprof bool   `mapstructure:"pprof"`
	} `mapstructure:"http"`
	Web struct {
		Addr string `mapstructure:"addr"`
	} `mapstructure:"web"`

	written *yamlfile.File // nil if there is no file
}

// The bounds of ingest.seal_after, a day and two years.
const (
	minSealAfter = 24 * time.Hour
	maxSealAfter = 730 * 24 * time.Hour
)

// DefaultLimits are the limits that a fingerprint does not mention.
var DefaultLimits = store.Limits{Tenants: 5000, Routes: 5000}

// What reports.delivery can be: what happens to a mail if the process dies between sending it and
// recording that.
const (
	AtLeastOnce = "at_least_once" // it is sent again, with the same Message-ID
	AtMostOnce  = "at_most_once"  // it is not
)

// DefaultTopics are the topics to read unless the settings name others.
var DefaultTopics = []string{"gateway-logs"}

// defaults lists every key with its default, in the order of config.yaml.
var defaults = []setting{
	{"kafka.brokers", []string{"127.0.0.1:9092"}},
	{"kafka.topics", DefaultTopics},
	{"kafka.group", "errata"},
	{"kafka.start", "earliest"},
	{"kafka.tls.enabled", false},
	{"kafka.tls.ca_file", ""},
	{"kafka.tls.cert_file", ""},
	{"kafka.tls.key_file", ""},
	{"kafka.sasl.mechanism", ""},
	{"kafka.sasl.username", ""},
	{"kafka.sasl.password", ""},
	{"kafka.sasl.password_file", ""},
	{"clickhouse.addr", []string{"127.0.0.1:9000"}},
	{"clickhouse.database", "errata"},
	{"clickhouse.username", "default"},
	{"clickhouse.password", ""},
	{"clickhouse.password_file", ""},
	{"clickhouse.insert_timeout", time.Minute},
	{"clickhouse.tls.enabled", false},
	{"clickhouse.tls.ca_file", ""},
	{"clickhouse.tls.cert_file", ""},
	{"clickhouse.tls.key_file", ""},
	{"catalogs.dir", catalog.Default.Dir},
	{"catalogs.builtin", catalog.Default.BuiltIn},
	{"ingest.format", "auto"},
	{"ingest.topics", []any{}},
	{"ingest.formats", []any{}},
	{"ingest.exclude", []any{}},
	{"ingest.ignore_bodies", []any{}},
	{"ingest.routes", []string{}},
	{"ingest.dialects", []any{}},
	{"ingest.redact", []any{}},
	{"ingest.audit_share", 0.001},
	{"ingest.limits.tenants", DefaultLimits.Tenants},
	{"ingest.limits.routes", DefaultLimits.Routes},
	{"ingest.batch.rows", 500_000},
	{"ingest.batch.bytes", 256 << 20},
	{"ingest.batch.age", 2 * time.Second},
	{"ingest.memory", 256 << 20},
	{"ingest.seal_after", 7 * 24 * time.Hour},
	{"notify.webhook.url", notify.Defaults.Webhook.URL},
	{"notify.alertmanager.url", notify.Defaults.Alertmanager.URL},
	{"notify.timeout", notify.Defaults.Timeout},
	{"notify.expire_after", notify.Defaults.ExpireAfter},
	{"notify.fence.topic", ""},
	{"notify.link", ""},
	{"notify.receivers", []any{}},
	{"notify.routes", []any{}},
	{"notify.tenants", []any{}},
	{"notify.time_intervals", []any{}},
	{"reports.delivery", AtLeastOnce},
	{"reports.link", ""},
	{"reports.fence.topic", ""},
	{"metrics.top_codes", 0},
	{"log.level", "info"},
	{"http.addr", "127.0.0.1:9464"},
	{"http.pprof", false},
	{"web.addr", "127.0.0.1:8080"},
}

type setting struct {
	key   string
	value any
}

// defaultOf returns the default of a key.
func defaultOf(key string) (value any, known bool) {
	i := slices.IndexFunc(defaults, func(s setting) bool { return s.key == key })
	if i < 0 {
		return nil, false
	}
	return defaults[i].value, true
}

// DefaultFile is looked for in the working directory when no file is named.
const DefaultFile = "config.yaml"

// Load reads the named file, or DefaultFile if it exists, and then the environment. An error names
// the place in the file and the key, or the variable, and what to do.
func Load(file string) (Config, error) {
	v := viper.New()
	for _, d := range defaults {
		v.SetDefault(d.key, d.value)
	}
	if file == "" {
		if _, err := os.Stat(DefaultFile); err == nil {
			file = DefaultFile
		}
	}
	var written *yamlfile.File // nil if there is no file
	if file != "" {
		var err error
		if written, err = read(v, file); err != nil {
			return Config{}, err
		}
	}
	if err := fromEnvironment(v); err != nil {
		return Config{}, err
	}
	c := Config{written: written}
	err := v.UnmarshalExact(&c, viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(), commaList, mapstructure.TextUnmarshallerHookFunc())))
	if err != nil {
		return Config{}, located(undecodable(err, v), written)
	}
	for _, f := range c.files() {
		if _, set := os.LookupEnv(variable(f.key)); !set && *f.path != "" && !filepath.IsAbs(*f.path) && file != "" {
			*f.path = filepath.Join(filepath.Dir(file), *f.path)
		}
	}
	c.Kafka.Batch, c.Kafka.Limits, c.Kafka.Memory, c.Kafka.SealAfter = c.Ingest.Batch, c.Ingest.Limits, c.Ingest.Memory, c.Ingest.SealAfter
	if err := c.validate(); err != nil {
		return Config{}, located(err, written)
	}
	return c, nil
}

// read reads the file into v and checks its keys and values.
func read(v *viper.Viper, file string) (*yamlfile.File, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	written, err := yamlfile.Parse(file, text)
	if err != nil {
		return nil, err
	}
	values, err := written.Settings(reflect.TypeFor[Config](), "mapstructure")
	if err != nil {
		return nil, err
	}
	if err := v.MergeConfigMap(values); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return written, nil
}

// setFile is a setting that names a file or folder.
type setFile struct {
	key  string
	path *string
}

// files returns the settings that name a file or folder. In the config file they are relative to
// it, in the environment to the working directory.
func (c *Config) files() (all []setFile) {
	for _, path := range c.Notify.Files() {
		all = append(all, setFile{"notify.receivers", path})
	}
	return append(all,
		setFile{"kafka.tls.ca_file", &c.Kafka.TLS.CAFile}, setFile{"kafka.tls.cert_file", &c.Kafka.TLS.CertFile}, setFile{"kafka.tls.key_file", &c.Kafka.TLS.KeyFile},
		setFile{"kafka.sasl.password_file", &c.Kafka.SASL.PasswordFile},
		setFile{"clickhouse.tls.ca_file", &c.ClickHouse.TLS.CAFile}, setFile{"clickhouse.tls.cert_file", &c.ClickHouse.TLS.CertFile}, setFile{"clickhouse.tls.key_file", &c.ClickHouse.TLS.KeyFile},
		setFile{"clickhouse.password_file", &c.ClickHouse.PasswordFile}, setFile{"catalogs.dir", &c.Catalogs.Dir})
}

func (c Config) validate() error {
	b, l := c.Ingest.Batch, c.Ingest.Limits
	switch {
	case l.Tenants < 0 || l.Routes < 0:
		return fmt.Errorf("ingest.limits is %d and %d: give numbers from 1 up, or 0 for no limit", l.Tenants, l.Routes)
	case b.Rows < 1 || b.Rows > 10_000_000:
		return fmt.Errorf("ingest.batch.rows is %d: give 1 to 10000000", b.Rows)
	case b.Bytes < 1<<10 || b.Bytes > 1<<30:
		return fmt.Errorf("ingest.batch.bytes is %d: give 1 KiB to 1 GiB, in bytes", b.Bytes)
	case b.Age < 100*time.Millisecond || b.Age > 10*time.Minute:
		return fmt.Errorf("ingest.batch.age is %s: give 100ms to 10m", b.Age)
	case c.Ingest.Memory < 16<<20:
		return fmt.Errorf("ingest.memory is %d: give at least 16777216 bytes", c.Ingest.Memory)
	case c.Ingest.SealAfter != 0 && (c.Ingest.SealAfter < minSealAfter || c.Ingest.SealAfter > maxSealAfter):
		return fmt.Errorf("ingest.seal_after is %s: give 24h to 17520h, or 0s to keep the sums of all batches", c.Ingest.SealAfter)
	case c.ClickHouse.InsertTimeout < time.Second || c.ClickHouse.InsertTimeout > time.Hour:
		return fmt.Errorf("clickhouse.insert_timeout is %s: give 1s to 1h", c.ClickHouse.InsertTimeout)
	case c.Reports.Delivery != AtLeastOnce && c.Reports.Delivery != AtMostOnce:
		return fmt.Errorf("reports.delivery is %q: give %s or %s", c.Reports.Delivery, AtLeastOnce, AtMostOnce)
	case c.Metrics.TopCodes < 0 || c.Metrics.TopCodes > 1000:
		return fmt.Errorf("metrics.top_codes is %d: give 1 to 1000, or 0 for none", c.Metrics.TopCodes)
	}
	for _, at := range []struct{ key, addr string }{{"http.addr", c.HTTP.Addr}, {"web.addr", c.Web.Addr}} {
		if at.addr != "" && !canListen(at.addr) {
			return fmt.Errorf("%s is %q: give host:port to listen on, such as 127.0.0.1:9464", at.key, at.addr)
		}
	}
	if _, err := report.ParseLink(c.Reports.Link); err != nil {
		return fmt.Errorf("reports.link: %w", err)
	}
	return errors.Join(c.Kafka.Validate(), c.ClickHouse.Validate(), c.Ingest.Validate(), c.Notify.Validate())
}

// canListen reports whether an address is a host, which may be empty, and a port number.
func canListen(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// undecodable returns the error of a value that is not of its key's type: ingest.batch.rows is a
// whole number, and "many" is not.
func undecodable(err error, v *viper.Viper) error {
	var wrong *mapstructure.DecodeError
	if !errors.As(err, &wrong) {
		return errors.New(oneLine(err))
	}
	key := wrong.Name()
	value, known := defaultOf(key)
	if !known {
		return errors.New(oneLine(wrong))
	}
	kind := yamlfile.KindOf(reflect.TypeOf(value))
	if span, ok := value.(time.Duration); ok {
		kind = fmt.Sprintf("a time span such as %s", span)
	}
	if key == "log.level" {
		kind = "one of debug, info, warn and error"
	}
	if kind == "" {
		return errors.New(oneLine(wrong))
	}
	return errors.New(yamlfile.Mismatch(key, kind, fmt.Sprint(v.Get(key))))
}

// commaList decodes "a,b" as a list, so that lists can come from the environment.
func commaList(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to != reflect.TypeFor[[]string]() {
		return data, nil
	}
	var list []string
	for item := range strings.SplitSeq(data.(string), ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}

// yamlList reads the value of a variable for a list whose items have keys, which is YAML.
func yamlList(key, value string) (any, error) {
	list, err := yamlfile.Parse("", []byte(value))
	if err != nil {
		return nil, fmt.Errorf("%s is a YAML list, such as [{…}, {…}]: %w", key, err)
	}
	values, err := list.Under(key).Settings(reflect.TypeFor[Config](), "mapstructure")
	if err != nil {
		return nil, err
	}
	var found any = values
	for name := range strings.SplitSeq(key, ".") {
		inside, _ := found.(map[string]any)
		found = inside[name]
	}
	return found, nil
}

// EnvironmentPrefix starts the name of each environment variable that holds a setting.
const EnvironmentPrefix = "ERRATA_"

func variable(key string) string {
	return EnvironmentPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// fromEnvironment sets the keys that the environment has. A variable with our prefix that is not a
// key is an error: a misspelt variable must not leave the default in place silently.
func fromEnvironment(v *viper.Viper) error {
	known := map[string]string{}
	for _, d := range defaults {
		known[variable(d.key)] = d.key
	}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, EnvironmentPrefix) {
			continue
		}
		key, ok := known[name]
		if !ok {
			return fmt.Errorf("unknown environment variable %s: did you mean %s?", name, variable(yamlfile.Nearest(strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, EnvironmentPrefix), "_", ".")), keys())))
		}
		if !takesItems(key) {
			v.Set(key, value)
			continue
		}
		list, err := yamlList(key, value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.Set(key, list)
	}
	return nil
}

// Located adds to an error that begins with a key where its value comes from, as the errors of Load
// have it. It is for what is found out about a setting only when the setting is used, such as a
// folder that does not exist.
func (c Config) Located(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range several.Unwrap() {
			all = append(all, c.Located(one))
		}
		return errors.Join(all...)
	}
	if err == nil || !beginsWithKey(err) {
		return err
	}
	return located(err, c.written)
}

func beginsWithKey(err error) bool {
	return slices.ContainsFunc(keys(), func(key string) bool {
		rest, found := strings.CutPrefix(err.Error(), key)
		return found && strings.IndexAny(rest, " :[") == 0
	})
}

// takesItems reports whether a key takes a list whose items have keys.
func takesItems(key string) bool {
	value, _ := defaultOf(key)
	_, items := value.([]any)
	return items
}

// keyIn finds the key that an error is about: at the start of its text, or in quotes.
var keyIn = regexp.MustCompile(`(?:^|')([a-z_]+(?:\.[a-z_]+|\[\d+\])+)`)

// located adds to each error where the value comes from: the variable that sets the key, or the
// place in the file.
func located(err error, written *yamlfile.File) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range several.Unwrap() {
			all = append(all, located(one, written))
		}
		return errors.Join(all...)
	}
	path := ""
	if m := keyIn.FindStringSubmatch(err.Error()); m != nil {
		path = m[1]
	}
	for _, key := range keys() {
		if _, set := os.LookupEnv(variable(key)); set && (path == key || strings.HasPrefix(path, key+"[")) {
			return fmt.Errorf("%s: %w", variable(key), err)
		}
	}
	switch {
	case written == nil:
		return fmt.Errorf("configuration: %w", err)
	case path == "":
		return fmt.Errorf("%s: %w", written.Name, err)
	}
	line, column := written.Place("$." + path)
	return fmt.Errorf("%s:%d:%d: %w", written.Name, line, column, err)
}

func keys() (all []string) {
	for _, d := range defaults {
		all = append(all, d.key)
	}
	return all
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", " ")), " ")
}
