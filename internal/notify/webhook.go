package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"errata/internal/store"
)

// sender sends a notice and returns the receipt of its thread's first message.
type sender func(ctx context.Context, n Notice) (receipt string, err error)

// noticeSender reads the notice from its row.
func noticeSender(send sender) func(context.Context, store.Delivery) (string, error) {
	return func(ctx context.Context, d store.Delivery) (string, error) {
		var n Notice
		if err := json.Unmarshal([]byte(d.Body), &n); err != nil || len(n.Messages) == 0 {
			return "", refusal{fmt.Errorf("the queue holds no notice: %w", err)}
		}
		n.Key = d.Key
		return send(ctx, n)
	}
}

func (n *Notifier) now() time.Time { return n.Now() }

// newWebhook signs as Standard Webhooks say (https://www.standardwebhooks.com), if there is a
// secret. The webhook-id is the key of the notice.
func newWebhook(name string, r WebhookReceiver, c client, now func() time.Time) sender {
	url, signing, token := secret(r.URL, r.URLFile), secret(r.Secret, r.SecretFile), secret(r.Token, r.TokenFile)
	body, _ := parseTemplate("body", r.Body) // Validate has parsed it
	return func(ctx context.Context, n Notice) (string, error) {
		text := n.webhook(name)
		if body != nil {
			var b strings.Builder
			if err := body.Execute(&b, n); err != nil {
				return "", refusal{fmt.Errorf("the template of receiver %s: %w", name, err)}
			}
			text = b.String()
		}
		header := keyHeader(n.Key)
		for name, value := range r.Headers {
			header.Set(name, value)
		}
		if t := token(); t != "" {
			header.Set("Authorization", "Bearer "+t)
		}
		if s := signing(); s != "" {
			if err := sign(header, s, n.Key, text, now()); err != nil {
				return "", err
			}
		}
		_, err := c.post(ctx, request{url: url(), body: text, header: header})
		return "", err
	}
}

// signingKey returns the key of a secret: base64 behind whsec_, as the standard says, or any other
// text as it is.
func signingKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("begins with whsec_, so base64 has to follow")
	}
	return key, nil
}

func sign(header http.Header, secret, id, body string, now time.Time) error {
	key, err := signingKey(secret)
	if err != nil {
		return fmt.Errorf("the secret %w", err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", stamp)
	header.Set("webhook-signature", "v1,"+base64MAC(key, id+"."+stamp+"."+body))
	return nil
}

func base64MAC(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
