package alert

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"errata/internal/stack/stacktest"
)

func TestTopCodesHaveABound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	requests := []request{{5, 40, "acme", quota}, {100, 2, "acme", quota}, {100, 3, "globex", quota}, {100, 9, "globex", fine}, {120, 50, "acme", quota}}
	for i := range 12 { // 13 to 24 errors of twelve codes
		requests = append(requests, request{90, 13 + i, "acme", fmt.Sprintf(`{"error_code":"X.%02d","error_msg":"no"}`, i)})
	}
	w.insert(requests...)
	w.mark(119)
	registry := prometheus.NewRegistry()
	page := func() string {
		answer := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		return answer.Body.String()
	}
	r := w.runner(caseQuota, nil)
	r.Metrics = NewMetrics(registry)
	f := func(limit, series int, want ...string) {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		if r.TopCodes = limit; r.evaluator == nil {
			stacktest.Must(t, r.start(t.Context()))
		}
		_, err := r.catchUp(t.Context())
		stacktest.Must(t, err)
		if got := strings.Count(page(), "errata_code_errors{"); got != series {
			t.Errorf("%d series, want %d, in\n%s", got, series, page())
		}
		for _, line := range want {
			if !strings.Contains(page(), "errata_code_errors{"+line+"\n") {
				t.Errorf("no %s in\n%s", line, page())
			}
		}
	}
	f(0, 0)
	// Of [59, 119): twelve codes with 222 errors and two of the quota for acme, three for globex.
	// The ten most frequent of acme are X.02 to X.11, with 195 errors.
	f(100, 12, `code="X.11",family="unknown",tenant="acme"} 24`, `code="X.02",family="unknown",tenant="acme"} 15`,
		`code="OSM.01010037",family="OSM",tenant="globex"} 3`, `code="(other)",family="(other)",tenant="(other)"} 29`)
	f(2, 3, `code="X.11",family="unknown",tenant="acme"} 24`, `code="X.10",family="unknown",tenant="acme"} 23`, `code="(other)",family="(other)",tenant="(other)"} 180`)
	stacktest.CheckMetrics(t, page())
	r.suffer(t.Context(), fmt.Errorf("away"))
	if strings.Contains(page(), "errata_code_errors{") {
		t.Error("without ClickHouse, old counts are shown")
	}
}
