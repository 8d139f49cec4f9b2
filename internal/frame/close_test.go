package frame_test

import (
	"errors"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
)

func TestValidCloseCode(t *testing.T) {
	t.Parallel()
	valid := func(code int) bool {
		switch code {
		case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014:
			return true
		}
		return code >= 3000 && code <= 4999
	}
	for code := -1; code <= 70000; code++ {
		if frame.ValidCloseCode(code) != valid(code) {
			t.Errorf("ValidCloseCode(%d) = %v", code, !valid(code))
		}
	}
}

func TestClosePayload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code   int
		reason string
		want   string
		err    error
	}{
		"normal":           {1000, "bye", "\x03\xe8bye", nil},
		"no reason":        {1001, "", "\x03\xe9", nil},
		"private":          {4999, "slow", "\x13\x87slow", nil},
		"none":             {0, "", "", nil},
		"none, by name":    {1005, "", "", nil},
		"longest reason":   {1000, strings.Repeat("é", 61) + "x", "\x03\xe8" + strings.Repeat("é", 61) + "x", nil},
		"too long":         {1000, strings.Repeat("é", 62), "", frame.ErrCloseReason},
		"not UTF-8":        {1000, "\xff", "", frame.ErrCloseReason},
		"reason, no code":  {0, "bye", "", frame.ErrCloseReason},
		"reason with 1005": {1005, "bye", "", frame.ErrCloseReason},
		"local code":       {1006, "", "", frame.ErrCloseCode},
		"reserved":         {1004, "", "", frame.ErrCloseCode},
		"TLS failure":      {1015, "", "", frame.ErrCloseCode},
		"not yet defined":  {2000, "", "", frame.ErrCloseCode},
		"too large":        {5000, "", "", frame.ErrCloseCode},
		"16 bits and more": {65536 + 1000, "", "", frame.ErrCloseCode},
		"negative":         {-1, "", "", frame.ErrCloseCode},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := frame.ClosePayload(test.code, test.reason)
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("ClosePayload = %x, %v, want %x, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestErrorIs(t *testing.T) {
	t.Parallel()
	err := error(&frame.Error{Code: 1002, Reason: "unknown opcode"})
	for target, want := range map[*frame.Error]bool{
		{Code: 1002}: true, {Code: 1002, Reason: "unknown opcode"}: true,
		{Code: 1007}: false, {Code: 1002, Reason: "another"}: false,
	} {
		if errors.Is(err, target) != want {
			t.Errorf("errors.Is(%v, %v) = %v", err, target, !want)
		}
	}
}
