package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"errata/internal/notify"
)

func TestGrown(t *testing.T) {
	f := func(want string, counts ...valueCount) {
		t.Helper()
		var got []string
		for _, c := range grown(counts) {
			got = append(got, c.String())
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	all := valueCount{"", "all", 100, 1000}
	f("91.0% from route POST /cases, usually 40.0%", all, valueCount{"route", "POST /cases", 91, 400}, valueCount{"route", "GET /cases", 9, 600})
	f("", all, valueCount{"route", "POST /cases", 44, 400}) // z = 0.8
	// 10 of 20 where 30% are usual: z = 1.9, p = 0.027.
	f("", valueCount{"", "all", 20, 1000}, valueCount{"status", "500", 10, 300})
	// 55% where 40% are usual: p = 0.0018, significant alone and not beside nine others.
	f("55.0% from status 500, usually 40.0%", all, valueCount{"status", "500", 55, 400})
	many := []valueCount{all, {"status", "500", 55, 400}}
	for i := range 9 {
		many = append(many, valueCount{"argument id", fmt.Sprint(i), 5, 50})
	}
	f("", many...)
	// Significant, but of no interest: 55% where 50% are usual.
	f("", valueCount{"", "all", 100000, 100000}, valueCount{"status", "500", 55000, 50000})
	f("", valueCount{"", "all", 100, 0}, valueCount{"status", "500", 100, 0}) // nothing before
	f("")
}

// On the day before, four in ten errors came from POST /cases and had this argument; now nine in
// ten.
func TestWhyIsToldAndStored(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	line := func(at time.Time, i int, hot bool) logged {
		l := logged{at: at.Add(time.Duration(i) * time.Second), id: fmt.Sprintf("r-%d-%d", at.Unix(), i), tenant: "acme", body: quota, route: "list"}
		if hot {
			l.route = "create"
		}
		return l
	}
	var lines []logged
	for i := range 50 {
		lines = append(lines, line(midnight.AddDate(0, 0, -1).Add(10*time.Minute), i, i%5 < 2), line(midnight.Add(12*time.Minute), i, i%10 < 9))
	}
	w.insertLines(lines...)
	for _, minute := range []int{16, 25} {
		w.mark(minute)
		w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	}
	if len(h.got) != 2 || fmt.Sprint(h.got[0].Why) != "[90.0% from route POST create, usually 40.0%]" {
		t.Fatalf("%+v", h.got)
	}
	rows := 0
	err := w.store.Query(t.Context(), "SELECT why, request_ids FROM alerts WHERE `to` = 'firing'", nil, func(scan func(...any) error) error {
		var why, ids []string
		rows++
		err := scan(&why, &ids)
		if fmt.Sprint(why) != "[90.0% from route POST create, usually 40.0%]" || len(ids) != maxRequests {
			t.Error(why, ids)
		}
		return err
	})
	if err != nil || rows != 1 {
		t.Error(rows, err)
	}
}
