package notify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/timeinterval"

	"errata/internal/link"
)

// Config says who is told of what.
type Config struct {
	Webhook       Endpoint      `mapstructure:"webhook"`      // is told of everything, message by message
	Alertmanager  Endpoint      `mapstructure:"alertmanager"` // is told of everything
	Timeout       time.Duration `mapstructure:"timeout"`      // of one request
	ExpireAfter   time.Duration `mapstructure:"expire_after"` // how long a message is retried
	Fence         Fence         `mapstructure:"fence"`
	Link          string        `mapstructure:"link"` // template of the link in a message; "": no link
	Receivers     []Receiver    `mapstructure:"receivers"`
	Routes        []Route       `mapstructure:"routes"` // the first that matches counts
	Tenants       []Addressees  `mapstructure:"tenants"`
	TimeIntervals []Interval    `mapstructure:"time_intervals"`
}

// Fence names what lets only one of several processes send.
type Fence struct {
	Topic string `mapstructure:"topic"` // of Kafka, with one partition; "": there is no other process
}

// Endpoint is where a target is.
type Endpoint struct {
	URL string `mapstructure:"url"` // "": there is no such target
}

// Receiver is a target that routes name. Exactly one of its kinds is set (kinds.go).
type Receiver struct {
	Name         string `mapstructure:"name"`
	SendResolved *bool  `mapstructure:"send_resolved"` // nil: true
	MaxPerHour   *int   `mapstructure:"max_per_hour"`  // further messages are folded; nil: defaultPerHour; 0: no limit

	Webhook      *WebhookReceiver `mapstructure:"webhook"`
	Alertmanager *HTTPReceiver    `mapstructure:"alertmanager"`
	Slack        *SlackReceiver   `mapstructure:"slack"`
	DingTalk     *RobotReceiver   `mapstructure:"dingtalk"`
	Feishu       *RobotReceiver   `mapstructure:"feishu"`
	WeCom        *HTTPReceiver    `mapstructure:"wecom"`
	Mail         *MailReceiver    `mapstructure:"mail"`
}

// HTTPReceiver is an address, which may hold a secret.
type HTTPReceiver struct {
	URL     string `mapstructure:"url"`
	URLFile string `mapstructure:"url_file"` // a file with the URL in its first line
}

// RobotReceiver is a chat's robot that may demand signed messages.
type RobotReceiver struct {
	HTTPReceiver `mapstructure:",squash"`
	Secret       string `mapstructure:"secret"`
	SecretFile   string `mapstructure:"secret_file"`
}

// WebhookReceiver gets JSON in a POST request.
type WebhookReceiver struct {
	HTTPReceiver `mapstructure:",squash"`
	Secret       string            `mapstructure:"secret"` // signs as Standard Webhooks say
	SecretFile   string            `mapstructure:"secret_file"`
	Token        string            `mapstructure:"token"` // is sent as Authorization: Bearer
	TokenFile    string            `mapstructure:"token_file"`
	Headers      map[string]string `mapstructure:"headers"`
	Body         string            `mapstructure:"body"` // Go template of the body; "": the format of Alertmanager's webhook
}

// SlackReceiver is an incoming webhook, or a channel and a bot's token.
type SlackReceiver struct {
	HTTPReceiver `mapstructure:",squash"`
	Token        string `mapstructure:"token"`
	TokenFile    string `mapstructure:"token_file"`
	Channel      string `mapstructure:"channel"`
	API          string `mapstructure:"api"` // root of Slack's API; "": slackAPI
}

// MailReceiver is a mail server and addresses.
type MailReceiver struct {
	Server       string   `mapstructure:"server"` // host:port
	From         string   `mapstructure:"from"`
	To           []string `mapstructure:"to"`
	ToTenant     bool     `mapstructure:"to_tenant"` // also to the addresses that notify.tenants has for the alert's tenant
	TLS          string   `mapstructure:"tls"`       // starttls, tls, none; "": starttls
	CAFile       string   `mapstructure:"ca_file"`
	Username     string   `mapstructure:"username"`
	Password     string   `mapstructure:"password"`
	PasswordFile string   `mapstructure:"password_file"`
	Unsubscribe  string   `mapstructure:"unsubscribe"` // template of an https URL with .Address, for reports; "": none
}

// Route says which alerts go to which receivers, and how they are grouped. Durations that are nil
// are Alertmanager's defaults.
type Route struct {
	Matchers            []string       `mapstructure:"matchers"` // all have to match; none: everything does
	Receivers           []string       `mapstructure:"receivers"`
	Continue            bool           `mapstructure:"continue"` // later routes are tried too
	GroupBy             []string       `mapstructure:"group_by"` // labels; none: one group; "...": each alert alone
	GroupWait           *time.Duration `mapstructure:"group_wait"`
	GroupInterval       *time.Duration `mapstructure:"group_interval"`
	RepeatInterval      *time.Duration `mapstructure:"repeat_interval"`
	FoldAbove           *int           `mapstructure:"fold_above"` // more groups of one family at once become one message; nil: defaultFold; 0: never
	MuteTimeIntervals   []string       `mapstructure:"mute_time_intervals"`
	ActiveTimeIntervals []string       `mapstructure:"active_time_intervals"`
}

// Addressees are the mail addresses of tenants.
type Addressees struct {
	Tenants []string `mapstructure:"tenants"` // names or globs
	To      []string `mapstructure:"to"`
}

// Interval is a name for times, as Alertmanager's configuration has them.
type Interval struct {
	Name  string `mapstructure:"name"`
	Times []any  `mapstructure:"time_intervals"` // each a timeinterval.TimeInterval
}

// Defaults tell nobody.
var Defaults = Config{Timeout: 10 * time.Second, ExpireAfter: 24 * time.Hour}

// The defaults of routes are those of Alertmanager. The others are ours.
const (
	defaultGroupWait      = 30 * time.Second
	defaultGroupInterval  = 5 * time.Minute
	defaultRepeatInterval = 4 * time.Hour
	defaultFold           = 10
	defaultPerHour        = 60
)

// Validate reports what is wrong with the settings. Its errors begin with the key.
func (c Config) Validate() error {
	if err := CheckURL(c.Webhook.URL); err != nil {
		return fmt.Errorf("notify.webhook.url %w", err)
	}
	if err := CheckURL(c.Alertmanager.URL); err != nil {
		return fmt.Errorf("notify.alertmanager.url %w", err)
	}
	switch {
	case c.Timeout < time.Second || c.Timeout > time.Minute:
		return fmt.Errorf("notify.timeout is %s: give 1s to 1m", c.Timeout)
	case c.ExpireAfter < time.Minute || c.ExpireAfter > 30*24*time.Hour:
		return fmt.Errorf("notify.expire_after is %s: give 1m to 720h", c.ExpireAfter)
	}
	if _, err := parseTemplate("link", c.Link); err != nil {
		return fmt.Errorf("notify.link: %w", err)
	}
	return cmp.Or(c.checkIntervals(), c.checkTenants(), c.checkReceivers(), c.checkRoutes())
}

func (c Config) checkIntervals() error {
	for i, named := range c.TimeIntervals {
		key := fmt.Sprintf("notify.time_intervals[%d]", i)
		if named.Name == "" {
			return fmt.Errorf("%s.name is empty: routes name it", key)
		}
		if _, err := named.parse(); err != nil {
			return fmt.Errorf("%s.time_intervals: %w", key, err)
		}
	}
	return nil
}

func (c Config) checkTenants() error {
	for i, t := range c.Tenants {
		key := fmt.Sprintf("notify.tenants[%d]", i)
		if len(t.Tenants) == 0 || len(t.To) == 0 {
			return fmt.Errorf("%s has to have both tenants and to", key)
		}
		for _, glob := range t.Tenants {
			if _, err := path.Match(glob, ""); err != nil {
				return fmt.Errorf("%s.tenants: %q is not a glob", key, glob)
			}
		}
		if err := checkAddresses(t.To); err != nil {
			return fmt.Errorf("%s.to: %w", key, err)
		}
	}
	return nil
}

func checkAddresses(all []string) error {
	for _, address := range all {
		if _, err := mail.ParseAddress(address); err != nil {
			return fmt.Errorf("%q is not a mail address", address)
		}
	}
	return nil
}

func (c Config) checkReceivers() error {
	names := map[string]bool{}
	for i, r := range c.Receivers {
		key := fmt.Sprintf("notify.receivers[%d]", i)
		switch {
		case r.Name == "":
			return fmt.Errorf("%s.name is empty: routes name it", key)
		case r.Name == legacyWebhook || r.Name == legacyAlertmanager:
			return fmt.Errorf("%s.name is %q, which means notify.%s.url: give another", key, r.Name, r.Name)
		case names[r.Name]:
			return fmt.Errorf("%s.name: there are two receivers %q", key, r.Name)
		case r.MaxPerHour != nil && *r.MaxPerHour < 0:
			return fmt.Errorf("%s.max_per_hour is %d: give a number from 1 up, or 0 for no limit", key, *r.MaxPerHour)
		}
		names[r.Name] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("%s%w", key, err)
		}
		if r.Mail != nil && r.Mail.ToTenant && len(c.Tenants) == 0 {
			return fmt.Errorf("%s.mail.to_tenant is true, and notify.tenants has no addresses", key)
		}
	}
	return nil
}

// check continues the key of the receiver.
func (r Receiver) check() error {
	set := 0
	var err error
	for _, k := range kinds {
		if given := k.of(&r); given != nil {
			set++
			if problem := given.check(); problem != nil {
				err = fmt.Errorf(".%s%w", k.name, problem)
			}
		}
	}
	if set != 1 {
		return fmt.Errorf(": receiver %q has %d kinds: give one of %s", r.Name, set, kindNames())
	}
	return err
}

// checkSecret checks a value that is either given or in a file, which has to exist.
func checkSecret(key, given, file string, needed bool) error {
	switch {
	case given != "" && file != "":
		return fmt.Errorf(".%s and %s_file are both set: give one of them", key, key)
	case needed && given == "" && file == "":
		return fmt.Errorf(".%s is empty: give it, or better %s_file", key, key)
	}
	if _, err := link.Password(given, file); err != nil {
		return fmt.Errorf(".%s_file: %s", key, strings.TrimPrefix(err.Error(), "password_file: "))
	}
	return nil
}

func (r *HTTPReceiver) files() []*string { return []*string{&r.URLFile} }

func (r *HTTPReceiver) check() error {
	if err := checkSecret("url", r.URL, r.URLFile, true); err != nil {
		return err
	}
	text, _ := link.Password(r.URL, r.URLFile)
	if err := CheckURL(text); err != nil {
		return fmt.Errorf(".url %w", err)
	}
	return nil
}

func (r *RobotReceiver) files() []*string { return append(r.HTTPReceiver.files(), &r.SecretFile) }

func (r *RobotReceiver) check() error {
	return cmp.Or(r.HTTPReceiver.check(), checkSecret("secret", r.Secret, r.SecretFile, false))
}

func (r *WebhookReceiver) files() []*string {
	return append(r.HTTPReceiver.files(), &r.SecretFile, &r.TokenFile)
}

func (r *WebhookReceiver) check() error {
	err := cmp.Or(r.HTTPReceiver.check(), checkSecret("secret", r.Secret, r.SecretFile, false), checkSecret("token", r.Token, r.TokenFile, false))
	if err != nil {
		return err
	}
	if secret, _ := link.Password(r.Secret, r.SecretFile); secret != "" {
		if _, err := signingKey(secret); err != nil {
			return fmt.Errorf(".secret %w", err)
		}
	}
	if _, err := parseTemplate("body", r.Body); err != nil {
		return fmt.Errorf(".body: %w", err)
	}
	return nil
}

func (r *SlackReceiver) files() []*string { return append(r.HTTPReceiver.files(), &r.TokenFile) }

func (r *SlackReceiver) check() error {
	if r.Token == "" && r.TokenFile == "" {
		return r.HTTPReceiver.check()
	}
	switch {
	case r.URL != "" || r.URLFile != "":
		return errors.New(" has both a url and a token: an incoming webhook has a url, a bot has a token and a channel")
	case r.Channel == "":
		return errors.New(".channel is empty: a bot needs one")
	}
	if err := CheckURL(r.API); err != nil {
		return fmt.Errorf(".api %w", err)
	}
	return checkSecret("token", r.Token, r.TokenFile, true)
}

func (r *MailReceiver) files() []*string { return []*string{&r.CAFile, &r.PasswordFile} }

func (r *MailReceiver) check() error {
	switch {
	case !link.IsHostPort(r.Server):
		return fmt.Errorf(".server %q: give host:port, such as smtp.example.com:587", r.Server)
	case checkAddresses([]string{r.From}) != nil:
		return fmt.Errorf(".from %q is not a mail address", r.From)
	case len(r.To) == 0 && !r.ToTenant:
		return errors.New(".to is empty: give addresses, or to_tenant: true")
	case !slices.Contains([]string{"", "starttls", "tls", "none"}, r.TLS):
		return fmt.Errorf(".tls %q: give starttls, tls or none", r.TLS)
	case r.Username != "" && r.TLS == "none":
		return errors.New(".tls is none, which would send the password in clear: give starttls or tls")
	}
	if err := checkAddresses(r.To); err != nil {
		return fmt.Errorf(".to: %w", err)
	}
	if _, err := authorities(r.CAFile); err != nil {
		return fmt.Errorf(".ca_file: %w", err)
	}
	if r.Unsubscribe != "" {
		if _, err := unsubscribeURL(r.Unsubscribe, "someone@example.org"); err != nil {
			return fmt.Errorf(".unsubscribe %w", err)
		}
	}
	return checkSecret("password", r.Password, r.PasswordFile, r.Username != "")
}

func (c Config) checkRoutes() error {
	for i, r := range c.Routes {
		key := fmt.Sprintf("notify.routes[%d]", i)
		if len(r.Receivers) == 0 {
			return fmt.Errorf("%s.receivers is empty: name at least one", key)
		}
		for _, name := range r.Receivers {
			if !slices.ContainsFunc(c.Receivers, func(r Receiver) bool { return r.Name == name }) {
				return fmt.Errorf("%s.receivers: there is no receiver %q in notify.receivers", key, name)
			}
		}
		if _, err := parseMatchers(r.Matchers); err != nil {
			return fmt.Errorf("%s.matchers: %w", key, err)
		}
		for _, name := range slices.Concat(r.MuteTimeIntervals, r.ActiveTimeIntervals) {
			if !slices.ContainsFunc(c.TimeIntervals, func(t Interval) bool { return t.Name == name }) {
				return fmt.Errorf("%s: there is no interval %q in notify.time_intervals", key, name)
			}
		}
		for _, d := range []struct {
			key   string
			value *time.Duration
			least time.Duration
		}{{"group_wait", r.GroupWait, 0}, {"group_interval", r.GroupInterval, time.Second}, {"repeat_interval", r.RepeatInterval, time.Minute}} {
			if d.value != nil && *d.value < d.least {
				return fmt.Errorf("%s.%s is %s: give at least %s", key, d.key, *d.value, d.least)
			}
		}
		if r.FoldAbove != nil && *r.FoldAbove < 0 {
			return fmt.Errorf("%s.fold_above is %d: give a number from 1 up, or 0 to fold nothing", key, *r.FoldAbove)
		}
	}
	return nil
}

// CheckURL reports whether a target can be at a URL, or at none. Its error continues a sentence
// that begins with the name of the setting, and leaves the URL out, which may hold a secret.
func CheckURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("is not a URL: give one like http://host:port/path")
	}
	return nil
}

// Files returns the settings that name a file.
func (c *Config) Files() (files []*string) {
	for i := range c.Receivers {
		for _, k := range kinds {
			if given := k.of(&c.Receivers[i]); given != nil {
				files = append(files, given.files()...)
			}
		}
	}
	return files
}

// ParseMatchers parses Alertmanager's matchers: {tenant="acme", code=~"OSM.*"}, or without braces.
func ParseMatchers(text string) (labels.Matchers, error) {
	matchers, err := labels.ParseMatchers(text)
	if err != nil {
		return nil, fmt.Errorf(`%q is not a matcher, such as tenant="acme" or code=~"OSM.*": %w`, text, err)
	}
	return matchers, nil
}

func parseMatchers(texts []string) (all labels.Matchers, err error) {
	for _, text := range texts {
		matchers, err := ParseMatchers(text)
		if err != nil {
			return nil, err
		}
		all = append(all, matchers...)
	}
	return all, nil
}

// parse goes through JSON, for which Alertmanager's types check themselves.
func (i Interval) parse() (all []timeinterval.TimeInterval, err error) {
	text, err := json.Marshal(i.Times)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	return all, nil
}

// parseTemplate returns nil for an empty text.
func parseTemplate(name, text string) (*template.Template, error) {
	if text == "" {
		return nil, nil
	}
	t, err := template.New(name).Option("missingkey=zero").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	}}).Parse(text)
	if err != nil {
		return nil, err
	}
	return t, nil
}
