package catalog

import (
	"strconv"
	"strings"
	"testing"
)

// The catalog of HTTP codes was written by hand: a guess from a status alone must not contradict
// it.
func TestGuessAgreesWithTheHTTPCatalog(t *testing.T) {
	c := shipped(t)
	for status, kind := range byStatus {
		k := c.Lookup("HTTP."+strconv.Itoa(status), "http", "", 0, "")
		if k.Entry == nil {
			continue
		}
		guessed, _, _ := Guess(Entry{Status: status})
		if guessed != kind || kind != k.Entry.Kind {
			t.Errorf("%d: guessed %s from a table that says %s; the catalog says %s", status, guessed, kind, k.Entry.Kind)
		}
	}
}

func TestGuess(t *testing.T) {
	f := func(e Entry, want string) {
		t.Helper()
		kind, retry, owner := Guess(e)
		if got := kind + " " + retry + " " + owner; got != want {
			t.Errorf("%+v: %s, want %s", e, got, want)
		}
	}
	f(Entry{Code: "Throttling", Status: 400}, "rate_limit later caller")
	f(Entry{Code: "x", Status: 401}, "auth after_fix caller")
	f(Entry{Code: "QuotaExceeded", Status: 400}, "quota after_fix caller")
	f(Entry{Code: "4000", Message: "请求参数非法"}, "validation after_fix caller")
	f(Entry{Code: "5200", Message: "余额不足"}, "billing after_fix caller")
	f(Entry{Code: "x", Status: 404}, "not_found after_fix caller")
	f(Entry{Code: "x"}, "internal later vendor")
	f(Entry{Code: "x", Status: 418}, "validation after_fix caller")
	f(Entry{Code: "x", Status: 413, Message: "The file is too large."}, "validation after_fix caller")
	f(Entry{Code: "OSM.1", Message: "Exceeded the number of times the case limit was created."}, "quota after_fix caller")
	f(Entry{Code: "x", Status: 429, Message: "Quota exceeded."}, "rate_limit later caller")
	f(Entry{Code: "x", Message: "账户资金不足"}, "billing after_fix caller")
}

// An entry that a page lists although it means success is marked, so that it makes no errors.
func TestSuccessIsMarked(t *testing.T) {
	f := func(e Entry, want bool) {
		t.Helper()
		if got := strings.Contains(newEntry(e), "success: true # guessed"); got != want {
			t.Errorf("%+v: marked %v, want %v", e, got, want)
		}
	}
	f(Entry{Code: "0", Message: "Success"}, true)
	f(Entry{Code: "00", Description: "Approved"}, true)
	f(Entry{Code: "0000", Message: "操作成功"}, true)
	f(Entry{Code: "SUCCESS", Message: "ok"}, true)
	f(Entry{Code: "0", Message: "Unknown error"}, false)
	f(Entry{Code: "0", Message: "Not successful"}, false)
	f(Entry{Code: "1001", Message: "Success"}, false)
	f(Entry{Code: "0", Status: 500, Message: "Success"}, false)
}
