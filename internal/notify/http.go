package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"errata/internal/link"
)

// refusal is the answer of a server that will never take a body.
type refusal struct{ error }

// unsure is the failure of a request of which it is not known whether the server took it.
type unsure struct{ error }

// busy is the answer of a server that asks for a pause.
type busy struct {
	error
	pause time.Duration
}

// longestBusy is the longest pause that a server may ask for.
const longestBusy = 10 * time.Minute

// client posts JSON.
type client struct{ timeout time.Duration }

// poster follows a redirect only if the body goes along: behind the others Go sends a GET, whose
// 200 does not say that the message was taken.
var poster = http.Client{CheckRedirect: func(next *http.Request, before []*http.Request) error {
	if next.Method != http.MethodPost || len(before) == 10 {
		return http.ErrUseLastResponse
	}
	return nil
}}

// request is a body and where it goes. The URL and the header may hold secrets.
type request struct {
	url, body string
	header    http.Header
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// post expects a 2xx and returns the answer. Its errors name the host alone: the rest of a URL may
// hold a secret.
func (c client) post(ctx context.Context, r request) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(r.body))
	if err != nil {
		return nil, errors.New("the URL of the target cannot be read: give one like http://host:port/path")
	}
	if r.header != nil {
		req.Header = r.header
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "errata")
	resp, err := poster.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		var dial *net.OpError
		notSent := errors.As(err, &dial) && dial.Op == "dial"
		if err = fmt.Errorf("POST to %s: %w", req.URL.Host, err); notSent {
			return nil, err
		}
		return nil, unsure{err}
	}
	defer resp.Body.Close()
	answer, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode / 100 {
	case 2:
		return answer, nil
	case 3: // the answer may repeat the secret of the URL
		return nil, fmt.Errorf("POST to %s: %s: set the URL to the one that it redirects to", req.URL.Host, resp.Status)
	}
	err = fmt.Errorf("POST to %s: %s: %s", req.URL.Host, resp.Status, shortened(string(bytes.TrimSpace(answer)), 512))
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return nil, refusal{err}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if seconds, e := strconv.Atoi(resp.Header.Get("Retry-After")); e == nil && seconds > 0 {
			return nil, busy{err, time.Duration(seconds) * time.Second}
		}
	}
	return nil, err
}

// secret returns a function that returns a setting, or the first line of a file, which is read each
// time. Validate has checked both.
func secret(given, file string) func() string {
	s, err := link.NewSecret(given, file)
	if err != nil { // the file has gone since
		return func() string { text, _ := link.Password(given, file); return text }
	}
	return s.Value
}

// keyHeader carries the key of a message to a server that honours it.
func keyHeader(key string) http.Header {
	if key == "" { // of an earlier version
		return http.Header{}
	}
	return http.Header{"Idempotency-Key": {key}}
}
