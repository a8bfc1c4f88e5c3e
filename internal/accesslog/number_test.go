package accesslog

import (
	"math"
	"strconv"
	"testing"
)

func FuzzNumber(f *testing.F) {
	for _, text := range []string{
		"0", "-0", "200", "1793613600000", "0.001", "12.", ".5", ".", "1.2.3", "", "-1", "+1", "1e3", "1_0", "0x10", "inf", "nan", "007", "99999999999999", "999999999999999", "9999999999999999",
		"9007199254740993", "1793613600.123456", "0.00000000000001", "123456789.12345", "3.141592653589793", "12345678", "0000000 ", "1234567:", "12345678.5", "123456789012345", "2.2250738585072014e-308", " 1", "1 ", "٣",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := number([]byte(text))
		want, wantErr := strconv.ParseFloat(text, 64)
		if (err == nil) != (wantErr == nil) || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%q is %v (%v), want %v (%v)", text, got, err, want, wantErr)
		}
	})
}
