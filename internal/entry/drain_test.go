package entry_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
)

// Who stays leaves in turn, who has gone is not asked, and everybody is to come back
// when the server is gone, and another time.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const over, n = 10 * time.Second, 50
		var d entry.Drain
		if d.Begun() || d.Left() != 0 || d.ComeBack() != 0 {
			t.Error("it has begun")
		}
		start := time.Now()
		var left, back []time.Duration
		for range n {
			d.Stay(func(err error) {
				if !errors.Is(err, &maru.Error{Code: maru.CodeShuttingDown}) {
					t.Error(err)
				}
				left = append(left, time.Since(start))
				back = append(back, time.Since(start)+d.ComeBack())
			})
		}
		d.Stay(func(error) { t.Error("it had gone") })()
		if !d.Begin(over) || d.Begin(over) {
			t.Error("it does not begin once")
		}
		if err := d.Run(t.Context(), over/10*9); err != nil {
			t.Fatal(err)
		}
		if len(left) != n {
			t.Fatalf("%d of %d have left", len(left), n)
		}
		early := 0
		for i := range n {
			if due := over / 10 * 9 * time.Duration(i) / n; left[i] < due || left[i] > due+10*time.Millisecond {
				t.Errorf("number %d left after %v, want %v", i, left[i], due)
			}
			if back[i] < over || back[i] > left[i]+over+time.Millisecond {
				t.Errorf("number %d, who left after %v, is back after %v", i, left[i], back[i])
			}
			if back[i] < over+over/4 {
				early++
			}
		}
		if early == 0 || early == n {
			t.Errorf("%d of %d are back at about the same time", early, n)
		}
		time.Sleep(over)
		if d.Left() != 0 || d.ComeBack() > over {
			t.Errorf("after the end: %v left, come back after %v", d.Left(), d.ComeBack())
		}
	})
}

func TestDrainIsCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d entry.Drain
		left := 0
		for range 4 {
			d.Stay(func(error) { left++ })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := d.Run(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || left != 1 {
			t.Errorf("%v, and %d have left", err, left)
		}
	})
}

func TestDoorDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		door, _ := newDoor(0, slog.LevelError)
		door.Drain.Begin(10 * time.Second)
		time.Sleep(2500 * time.Millisecond)
		r := httptest.NewRequest("GET", "/", nil)
		_, err := door.Admit(r, "a", auth.Subscribe)
		w := httptest.NewRecorder()
		door.Refuse(w, r, err)
		if after, _ := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != 503 || after != 8 || maru.ErrorOf(err).Code != maru.CodeShuttingDown {
			t.Errorf("%v: %d %v", err, w.Code, w.Header())
		}
		time.Sleep(time.Minute)
		w = httptest.NewRecorder()
		door.Refuse(w, r, err)
		if w.Header().Get("Retry-After") != "1" {
			t.Errorf("when the time is over: %v", w.Header())
		}
	})
}
