package notify

import (
	"fmt"
	"strings"
)

// kind is a kind of receiver.
type kind struct {
	name   string                         // of its field in the settings
	of     func(*Receiver) kindSettings   // what a receiver has of it; nil: it is of another kind
	sender func(*Notifier, making) sender // nil: it needs no queue
}

// kindSettings are the settings of a receiver of one kind.
type kindSettings interface {
	check() error     // continues the key of the settings
	files() []*string // those that name a file
}

// making is what a sender is made from.
type making struct {
	receiver Receiver
	client   client
	config   Config
}

// kinds are all kinds of receivers. docs/alerts.md describes them.
var kinds = []kind{
	{"webhook", func(r *Receiver) kindSettings { return given(r.Webhook) }, func(n *Notifier, m making) sender {
		return newWebhook(m.receiver.Name, *m.receiver.Webhook, m.client, n.now)
	}},
	{"alertmanager", func(r *Receiver) kindSettings { return given(r.Alertmanager) }, nil},
	{"slack", func(r *Receiver) kindSettings { return given(r.Slack) }, func(_ *Notifier, m making) sender {
		return newSlack(*m.receiver.Slack, m.client)
	}},
	{"dingtalk", func(r *Receiver) kindSettings { return given(r.DingTalk) }, func(n *Notifier, m making) sender {
		return newDingTalk(*m.receiver.DingTalk, m.client, n.now)
	}},
	{"feishu", func(r *Receiver) kindSettings { return given(r.Feishu) }, func(n *Notifier, m making) sender {
		return newFeishu(*m.receiver.Feishu, m.client, n.now)
	}},
	{"wecom", func(r *Receiver) kindSettings { return given(r.WeCom) }, func(_ *Notifier, m making) sender {
		return newWeCom(*m.receiver.WeCom, m.client)
	}},
	{"mail", func(r *Receiver) kindSettings { return given(r.Mail) }, func(n *Notifier, m making) sender {
		return n.newMail(m.receiver.Name, *m.receiver.Mail, m.config)
	}},
}

// given returns the settings of a kind, nil if there are none.
func given[S any, P interface {
	*S
	kindSettings
}](settings P) kindSettings {
	if settings == nil {
		return nil
	}
	return settings
}

// kindNames lists the kinds in a sentence.
func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	last := len(names) - 1
	return fmt.Sprintf("%s and %s", strings.Join(names[:last], ", "), names[last])
}

// sender returns how a receiver is told, nil for one that needs no queue.
func (n *Notifier) sender(m making) sender {
	for _, k := range kinds {
		if k.of(&m.receiver) != nil && k.sender != nil {
			return k.sender(n, m)
		}
	}
	return nil
}
