package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// asJSON writes a body of maps, lists and texts.
func asJSON(body any) string {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// slackAPI is the root of Slack's API.
const slackAPI = "https://slack.com/api"

// slackMarkup is Slack's mrkdwn. Escaping keeps text from naming people or channels.
// https://docs.slack.dev/messaging/formatting-message-text
var slackMarkup = markup{
	bold:    func(text string) string { return "*" + text + "*" },
	link:    func(url string) string { return "<" + slackEscape(url) + "|details>" },
	escape:  slackEscape,
	newline: "\n",
	most:    3900, // Slack advises against more than 4,000 characters
}

func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// newSlack posts to an incoming webhook, or as a bot. A bot edits the first message of a group when
// all of it has recovered, and replies to it before.
func newSlack(r SlackReceiver, c client) sender {
	if r.Token == "" && r.TokenFile == "" {
		to := secret(r.URL, r.URLFile)
		return func(ctx context.Context, n Notice) (string, error) {
			_, err := c.post(ctx, request{url: to(), body: asJSON(map[string]any{"text": n.chat(slackMarkup)})})
			return "", err
		}
	}
	bot := slackBot{client: c, token: secret(r.Token, r.TokenFile), root: strings.TrimSuffix(r.API, "/")}
	if bot.root == "" {
		bot.root = slackAPI
	}
	return func(ctx context.Context, n Notice) (string, error) {
		body := map[string]any{"channel": r.Channel, "text": n.chat(slackMarkup)}
		channel, ts, follows := strings.Cut(n.Thread, " ")
		switch {
		case follows && n.Status == resolved:
			body["channel"], body["ts"] = channel, ts
			_, err := bot.call(ctx, "chat.update", body)
			if !errors.Is(err, errSlackGone) {
				return n.Thread, err
			}
			body = map[string]any{"channel": r.Channel, "text": n.chat(slackMarkup)}
		case follows:
			body["channel"], body["thread_ts"], body["reply_broadcast"] = channel, ts, true
			_, err := bot.call(ctx, "chat.postMessage", body)
			return n.Thread, err
		}
		return bot.call(ctx, "chat.postMessage", body)
	}
}

// errSlackGone is the error of an edit that is impossible: somebody has deleted the message, or it
// is too old.
var errSlackGone = errors.New("slack does not let us edit the message")

type slackBot struct {
	client client
	token  func() string
	root   string
}

// call calls a method and returns the receipt of the message: its channel and ts.
func (b slackBot) call(ctx context.Context, method string, body any) (receipt string, err error) {
	header := http.Header{"Authorization": {"Bearer " + b.token()}, "Content-Type": {"application/json; charset=utf-8"}}
	answer, err := b.client.post(ctx, request{url: b.root + "/" + method, body: asJSON(body), header: header})
	if err != nil {
		return "", err
	}
	var a struct {
		OK             bool
		Error, Channel string
		TS             string
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return "", fmt.Errorf("slack's answer to %s is no JSON", method)
	}
	switch {
	case a.OK:
		return a.Channel + " " + a.TS, nil
	case a.Error == "message_not_found" || a.Error == "cant_update_message" || a.Error == "edit_window_closed":
		return "", errSlackGone
	case a.Error == "msg_too_long" || a.Error == "invalid_blocks" || a.Error == "no_text":
		return "", refusal{fmt.Errorf("slack's %s: %s", method, a.Error)}
	}
	return "", fmt.Errorf("slack's %s: %s", method, a.Error)
}

// chatMarkdown is the Markdown of the two chats that know some of it. Neither documents escapes, so
// what would be a link or a mention is spelt in another way, and the rest is left as it is.
func chatMarkdown(most int) markup {
	return markup{
		bold:    func(text string) string { return "**" + text + "**" },
		link:    func(url string) string { return "[details](" + strings.ReplaceAll(url, ")", "%29") + ")" },
		escape:  strings.NewReplacer("](", "] (", "<", "＜", ">", "＞").Replace,
		newline: "\n\n",
		most:    most,
	}
}

// newDingTalk posts to a custom robot. If it demands signatures, the URL gets a timestamp and the
// HMAC of timestamp and secret.
// https://open.dingtalk.com/document/orgapp/customize-robot-security-settings
func newDingTalk(r RobotReceiver, c client, now func() time.Time) sender {
	to, signing := secret(r.URL, r.URLFile), secret(r.Secret, r.SecretFile)
	md := chatMarkdown(18_000) // the limit is 20,000 bytes of the request
	return func(ctx context.Context, n Notice) (string, error) {
		address, err := url.Parse(to())
		if err != nil {
			return "", errors.New("the URL of the DingTalk robot cannot be read")
		}
		if s := signing(); s != "" {
			stamp := strconv.FormatInt(now().UnixMilli(), 10)
			query := address.Query()
			query.Set("timestamp", stamp)
			query.Set("sign", base64MAC([]byte(s), stamp+"\n"+s))
			address.RawQuery = query.Encode()
		}
		body := map[string]any{"msgtype": "markdown", "markdown": map[string]any{"title": n.Title(), "text": n.chat(md)}}
		return "", c.robot(ctx, "DingTalk", address.String(), body)
	}
}

// newWeCom posts to a group's robot.
// https://developer.work.weixin.qq.com/document/path/91770
func newWeCom(r HTTPReceiver, c client) sender {
	to := secret(r.URL, r.URLFile)
	md := chatMarkdown(4096)
	md.newline = "\n"
	return func(ctx context.Context, n Notice) (string, error) {
		body := map[string]any{"msgtype": "markdown", "markdown": map[string]any{"content": n.chat(md)}}
		return "", c.robot(ctx, "WeCom", to(), body)
	}
}

// newFeishu posts to a custom robot. A signature is the HMAC of nothing, with timestamp and secret
// as its key. The text elements of a post are literal: they cannot mention people.
// https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
func newFeishu(r RobotReceiver, c client, now func() time.Time) sender {
	to, signing := secret(r.URL, r.URLFile), secret(r.Secret, r.SecretFile)
	asIs := func(text string) string { return text }
	plain := markup{bold: asIs, link: asIs, escape: asIs, newline: "\n", most: 15_000} // the limit is 20 KB of the request
	return func(ctx context.Context, n Notice) (string, error) {
		title, text, _ := strings.Cut(n.chat(plain), "\n")
		var lines [][]map[string]string
		for line := range strings.SplitSeq(text, "\n") {
			element := map[string]string{"tag": "text", "text": line}
			if CheckURL(line) == nil && line != "" {
				element = map[string]string{"tag": "a", "text": line, "href": line}
			}
			lines = append(lines, []map[string]string{element})
		}
		body := map[string]any{"msg_type": "post", "content": map[string]any{"post": map[string]any{"zh_cn": map[string]any{"title": title, "content": lines}}}}
		if s := signing(); s != "" {
			stamp := strconv.FormatInt(now().Unix(), 10)
			body["timestamp"], body["sign"] = stamp, base64MAC([]byte(stamp+"\n"+s), "")
		}
		return "", c.robot(ctx, "Feishu", to(), body)
	}
}

// robot posts to a chat's robot, which answers 200 with a code other than 0 if it refuses.
func (c client) robot(ctx context.Context, chat, to string, body any) error {
	answer, err := c.post(ctx, request{url: to, body: asJSON(body)})
	if err != nil {
		return err
	}
	var a struct {
		ErrCode *int   `json:"errcode"` // DingTalk, WeCom
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"` // Feishu
		Msg     string `json:"msg"`
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.ErrCode == nil && a.Code == nil {
		return fmt.Errorf("%s's answer has no code: %s", chat, shortened(string(answer), 200))
	}
	code := a.Code
	if a.ErrCode != nil {
		code = a.ErrCode
	}
	if *code == 0 {
		return nil
	}
	err = fmt.Errorf("%s refused the message: %d %s", chat, *code, shortened(oneLine(a.ErrMsg+a.Msg), 300))
	switch *code {
	case 45009, 130101, 660026, 9499, 11232: // too many messages, by WeCom, DingTalk twice, Feishu twice
		return busy{err, time.Minute}
	}
	return err
}
