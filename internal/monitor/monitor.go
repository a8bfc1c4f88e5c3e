// Package monitor is the small HTTP server for watching a running process. It is for Prometheus,
// for an orchestrator's probes, and for operators who profile the process. It has no pages and no
// authentication, and nothing can be changed through it.
//
//	/metrics        the process's metrics, for Prometheus
//	/healthz        200 as long as the process answers at all
//	/readyz         200 while the process does its work; else 503 and the reason
//	/debug/pprof/   profiles of the running program, only if switched on
package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server describes what to serve, and where.
type Server struct {
	Addr    string // host:port; "" serves nothing
	Metrics prometheus.Gatherer
	Ready   func() error // returns nil, or why the process is not ready; called from several goroutines
	Pprof   bool
	Log     *slog.Logger
}

// Limits of a request. All answers are small, so a client that needs longer is not a legitimate
// one.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second // net/http/pprof extends it for longer profiles
	idleTimeout   = 2 * time.Minute  // longer than the usual time between two scrapes
	stopTimeout   = 2 * time.Second
	headerBytes   = 16 << 10
)

// Start listens and returns at once. It serves until the context ends or stop is called. Its error,
// an address that cannot be listened on, is one sentence to show to the user. stop gives running
// requests two seconds and returns when the server is gone. It may be called more than once.
//
// A process that wants to be watched while it drains passes a context that its signal does not end,
// and calls stop last.
func (s Server) Start(ctx context.Context) (stop func(), err error) {
	if s.Addr == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, s.refusal(err)
	}
	requests, cancel := context.WithCancel(ctx) // ends even a profile of a minute
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), // about clients that go away
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	var serving sync.WaitGroup // the goroutine that accepts connections; stop ends it and waits for it
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("stopped serving metrics and health", "addr", s.Addr, "error", err)
		}
	})
	s.Log.Info("serving metrics and health", "addr", listener.Addr().String(), "pprof", s.Pprof)
	end := sync.OnceFunc(func() {
		cancel()
		soon, cancelSoon := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancelSoon()
		if server.Shutdown(soon) != nil {
			server.Close()
		}
		serving.Wait()
	})
	forget := context.AfterFunc(ctx, end)
	return func() { forget(); end() }, nil
}

// refusal returns the sentence for an address that cannot be listened on.
func (s Server) refusal(err error) error {
	var dns *net.DNSError
	_, port, _ := net.SplitHostPort(s.Addr)
	_, noNumber := strconv.ParseUint(port, 10, 16)
	switch {
	case noNumber != nil:
		// Below.
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("http.addr %s is in use, perhaps by another ingester: set http.addr to a free port, or to \"\" for no metrics", s.Addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &dns):
		return fmt.Errorf("http.addr %s is not an address of this machine: set http.addr, for example to 127.0.0.1:9464", s.Addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("http.addr %s is a port that needs more rights: set http.addr to one from 1024 up", s.Addr)
	}
	return fmt.Errorf("http.addr %q cannot be listened on (%w): give host:port, for example 127.0.0.1:9464", s.Addr, err)
}

func (s Server) handler() http.Handler {
	mux := http.NewServeMux() // not the default one, to which any library may add handlers
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.Log.Handler(), slog.LevelError),
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	if s.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}
