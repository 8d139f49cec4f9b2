package admission_test

import (
	"log/slog"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
)

// All clients are sent a time after the end of the server, each a different one.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const over, n = 10 * time.Second, 50
		var d admission.Drain
		if d.Begun() || d.Left() != 0 || d.ComeBack() != 0 {
			t.Error("it has begun")
		}
		if !d.Begin(over) || d.Begin(over) {
			t.Error("it does not begin once")
		}
		early := 0
		for i := range n {
			left := over / 10 * 9 * time.Duration(i) / n
			back := left + d.ComeBack()
			if back < over || back > left+over+time.Millisecond {
				t.Errorf("number %d, closed after %v, would reconnect after %v", i, left, back)
			}
			if back < over+over/4 {
				early++
			}
			time.Sleep(over / 10 * 9 / n)
		}
		if early == 0 || early == n {
			t.Errorf("%d of %d would reconnect at about the same time", early, n)
		}
		time.Sleep(2 * over)
		if d.Left() != 0 || d.ComeBack() > over {
			t.Errorf("after the end: %v left, come back after %v", d.Left(), d.ComeBack())
		}
	})
}

func TestNoAdmissionInADrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAdmission(0, slog.LevelError)
		a.Drain.Begin(10 * time.Second)
		time.Sleep(2500 * time.Millisecond)
		r := httptest.NewRequest("GET", "/", nil)
		_, err := a.Admit(r, "a", auth.Subscribe)
		w := httptest.NewRecorder()
		a.Refuse(w, r, err)
		if after, _ := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != 503 || after != 8 || maru.ErrorOf(err).Code != maru.CodeShuttingDown {
			t.Errorf("%v: %d %v", err, w.Code, w.Header())
		}
		time.Sleep(time.Minute)
		w = httptest.NewRecorder()
		a.Refuse(w, r, err)
		if w.Header().Get("Retry-After") != "1" {
			t.Errorf("when the time is over: %v", w.Header())
		}
	})
}
