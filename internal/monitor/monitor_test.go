package monitor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"errata/internal/monitor"
	"errata/internal/stack/stacktest"
)

// serve starts a server on a free port, with one metric, and gives its URL.
func serve(t *testing.T, ctx context.Context, change func(*monitor.Server)) (url string, stop func()) {
	t.Helper()
	registry := prometheus.NewRegistry()
	records := prometheus.NewCounter(prometheus.CounterOpts{Name: "errata_test_records_total", Help: "Records."})
	registry.MustRegister(records)
	records.Add(7)
	addr := stacktest.FreeAddr(t)
	s := monitor.Server{Addr: addr, Metrics: registry, Ready: func() error { return nil }, Log: stacktest.Log(t)}
	if change != nil {
		change(&s)
	}
	stop, err := s.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return "http://" + s.Addr, stop
}

func get(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServes(t *testing.T) {
	var why atomic.Pointer[error]
	url, _ := serve(t, t.Context(), func(s *monitor.Server) {
		s.Ready = func() error {
			if err := why.Load(); err != nil {
				return *err
			}
			return nil
		}
	})
	f := func(method, path string, want int, holds string) {
		t.Helper()
		if status, body := get(t, method, url+path); status != want || !strings.Contains(body, holds) {
			t.Errorf("%s %s: %d %q, want %d with %q", method, path, status, body, want, holds)
		}
	}
	f("GET", "/metrics", 200, "errata_test_records_total 7\n")
	f("GET", "/healthz", 200, "ok\n")
	f("HEAD", "/healthz", 200, "")
	f("GET", "/readyz", 200, "ready\n")
	f("POST", "/healthz", 405, "")
	f("POST", "/metrics", 405, "")
	f("GET", "/", 404, "")
	f("GET", "/debug/pprof/", 404, "")
	f("GET", "/debug/pprof/cmdline", 404, "")

	reason := errors.New("clickhouse at 127.0.0.1:9000 takes no inserts")
	why.Store(&reason)
	f("GET", "/readyz", 503, reason.Error()+"\n")
	f("GET", "/healthz", 200, "ok\n")
	why.Store(nil)
	f("GET", "/readyz", 200, "ready\n")

	_, page := get(t, "GET", url+"/metrics")
	stacktest.CheckMetrics(t, page)
}

func TestPprof(t *testing.T) {
	url, stop := serve(t, t.Context(), func(s *monitor.Server) { s.Pprof = true })
	for path, holds := range map[string]string{
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/cmdline":           "monitor",
		"/debug/pprof/symbol":            "num_symbols",
	} {
		if status, body := get(t, "GET", url+path); status != 200 || !strings.Contains(body, holds) {
			t.Errorf("%s: %d %.200q", path, status, body)
		}
	}

	// A profile of an hour does not hold up the end. Its length has not made the answer too late
	// either.
	ended := make(chan struct{})
	go func() { // ends with the server
		defer close(ended)
		if resp, err := http.Get(url + "/debug/pprof/profile?seconds=3600"); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	stop()
	<-ended
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, stop := serve(t, ctx, nil)
	get(t, "GET", url+"/healthz")
	cancel()
	stop() // waits for what the context has begun
	stop()
	if conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		conn.Close()
		t.Error("somebody still listens after the end")
	}
}

func TestServesNothing(t *testing.T) {
	stop, err := monitor.Server{}.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop()
}

func TestAddresses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := func(addr, want string) {
		t.Helper()
		stop, err := monitor.Server{Addr: addr, Log: stacktest.Log(t)}.Start(t.Context())
		if err == nil {
			stop()
			t.Errorf("%s: served", addr)
			return
		}
		if !strings.HasPrefix(err.Error(), "http.addr ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", addr, err, want)
		}
	}
	f(taken.Addr().String(), "is in use")
	f("192.0.2.1:9464", "is not an address of this machine")
	f("no-such-host.invalid:9464", "is not an address of this machine")
	f("127.0.0.1", "give host:port")
	f("127.0.0.1:metrics", "give host:port")
	f("127.0.0.1:99999", "give host:port")
}

// A client that opens connections and says nothing is not waited for.
func TestSilentClient(t *testing.T) {
	url, stop := serve(t, t.Context(), nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
}
