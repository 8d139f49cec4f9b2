package auth_test

import (
	"testing"
	"time"

	"maru.example/maru/internal/auth"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	deadline := time.Date(2026, 7, 1, 12, 0, 0, 5, time.UTC)
	b, err := auth.Codec{}.Encode(deadline, map[string]any{"session": "ABC"})
	if err != nil {
		t.Fatal(err)
	}
	got, values, err := auth.Codec{}.Decode(b)
	if err != nil || !got.Equal(deadline) || len(values) != 1 || values["session"] != "ABC" {
		t.Errorf("got %v, %v, %v", got, values, err)
	}
	if _, err := (auth.Codec{}).Encode(deadline, map[string]any{}); err == nil {
		t.Error("a session without id was encoded")
	}
	for n := range 8 {
		if _, _, err := (auth.Codec{}).Decode(b[:n]); err == nil {
			t.Errorf("%d bytes were decoded", n)
		}
	}
}
