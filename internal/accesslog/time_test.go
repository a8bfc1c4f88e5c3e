package accesslog

import (
	"testing"
	"time"
)

// checkMinute holds that what was read before does not decide how a time is read.
func checkMinute(t *testing.T, before, text string) {
	t.Helper()
	var m minute
	var s source
	m.parseTime(&s, []byte(before))
	got, ok := m.parseTime(&s, []byte(text))
	if want, wantOK := parseTime([]byte(text)); ok != wantOK || ok && got != want {
		t.Errorf("%q after %q is %v (%v), want %v (%v)", text, before, got, ok, want, wantOK)
	}
}

var minuteTexts = []string{
	"2026-11-29T01:02:03Z", "2026-11-29T01:02:59.999Z", "2026-11-29T01:02:60Z", "2026-11-29T01:02:03.1234567891Z", "2026-11-29T01:02:03.Z", "2026-11-29T01:02:03,5Z", "2026-11-29T01:02:03",
	"2026-11-29T01:02:00.000999999", "2026-11-29T01:02:03.5+08:00", "2026-11-29T01:02:04+08:00", "2026-11-29T01:02:03+0800", "2026-11-29T01:02:05-03:30", "2026-11-29T01:02:03.25+08:00[Asia/Shanghai]",
	"2026-11-29T01:03:03Z", "2026-11-29T01:02:0 Z", "2026-11-29T01:02:3Z", "2026-02-30T01:02:03Z", "2026-11-29T01:02:03z", "Mon, 02 OCT 2006 15:04:05 GMT", "1793613600000", "",
}

func TestMinute(t *testing.T) {
	for _, before := range minuteTexts {
		for _, text := range minuteTexts {
			checkMinute(t, before, text)
		}
	}
	var m minute
	if got, ok := m.parseTime(&source{}, []byte("2026-11-29T01:02:03.5+08:00")); !ok || m.head == "" || !got.Equal(time.Date(2026, 11, 28, 17, 2, 3, 5e8, time.UTC)) {
		t.Errorf("%v, %v, %+v", got, ok, m)
	}
}

func FuzzMinute(f *testing.F) {
	for _, before := range minuteTexts {
		for _, text := range minuteTexts {
			f.Add(before, text)
		}
	}
	f.Fuzz(checkMinute)
}
