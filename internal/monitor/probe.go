package monitor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probeTimeout is how long Probe waits for an answer.
const probeTimeout = 5 * time.Second

// Probe asks /readyz of the process that serves at an address of this machine. It returns whether
// the process is ready, and its answer: "ready", or the reasons why not. An error says that no
// process answers.
func Probe(ctx context.Context, addr string) (ready bool, answer string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() { // it listens on all addresses
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return false, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, "", fmt.Errorf("ask /readyz: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return false, "", fmt.Errorf("ask /readyz: %w", err)
	}
	return response.StatusCode == http.StatusOK, strings.TrimSpace(string(text)), nil
}
