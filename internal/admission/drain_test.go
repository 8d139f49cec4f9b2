package admission_test

import (
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
)

// When clients come back: at their turn at once, since somebody serves them; at the end after a
// restart, or, if the sockets stay, at once too. Each gets another time.
func TestDrain(t *testing.T) {
	t.Parallel()
	const n = 200
	for name, tt := range map[string]struct {
		over        time.Duration
		end         bool
		connections int
		queued      bool
		least, most time.Duration
		away        bool
	}{
		"at a turn":                    {over: 30 * time.Second, most: time.Second},
		"at a turn of a short drain":   {over: 2 * time.Second, most: 200 * time.Millisecond},
		"at the end":                   {end: true, connections: 200, least: 150 * time.Millisecond, most: 400 * time.Millisecond, away: true},
		"at the end of a long drain":   {over: time.Hour, end: true, connections: 200, least: 150 * time.Millisecond, most: 400 * time.Millisecond, away: true},
		"at the end, the sockets stay": {end: true, connections: 200, queued: true, most: 100 * time.Millisecond},
		"at the end, with many":        {end: true, connections: 100_000, queued: true, most: 5 * time.Second},
	} {
		var d admission.Drain
		if after, away := d.ComeBack(); d.Begun() || d.Ended() || after != 0 || away {
			t.Errorf("%s: it has begun", name)
		}
		if !d.Begin(tt.over) || d.Begin(tt.over) || !d.Begun() || d.Ended() {
			t.Errorf("%s: it does not begin once", name)
		}
		if tt.end {
			d.End(tt.connections, tt.queued)
		}
		early := 0
		for range n {
			after, away := d.ComeBack()
			if after <= tt.least || after > tt.most+time.Millisecond || away != tt.away || d.Ended() != tt.end {
				t.Fatalf("%s: come back after %v, away %v, ended %v", name, after, away, d.Ended())
			}
			if after < (tt.least+tt.most)/2 {
				early++
			}
		}
		if early < n/5 || early > n-n/5 {
			t.Errorf("%s: %d of %d come back early", name, early, n)
		}
	}
}

func TestNoAdmissionAtTheEnd(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	enter := func(a *admission.Admission) error {
		in, err := a.Admit(r, "a", auth.Subscribe)
		if err == nil {
			var e admission.Entry
			e.Open(in.Reservation)
			a.Registry.Remove(&e)
		}
		return err
	}
	queued, _ := newAdmission(0, slog.LevelError)
	queued.Drain.Begin(0)
	queued.Drain.End(0, true)
	if err := enter(queued); err != nil {
		t.Errorf("where the next process takes what comes: %v", err)
	}
	a, _ := newAdmission(0, slog.LevelError)
	a.Drain.Begin(10 * time.Second)
	if err := enter(a); err != nil {
		t.Errorf("in a drain: %v", err)
	}
	a.Drain.End(0, false)
	err := enter(a)
	w := httptest.NewRecorder()
	a.Refuse(w, r, err)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || maru.ErrorOf(err).Code != maru.CodeShuttingDown {
		t.Errorf("%v: %d %v", err, w.Code, w.Header())
	}
}

// Other nodes get no more clients in any second than ToNodes says, neither in the turns nor at the end.
func TestPace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		n    int
		over time.Duration
		end  bool
		want int
	}{
		"1,000 in 10 s":          {n: 1000, over: 10 * time.Second, want: 500},
		"100,000 in 30 s":        {n: 100_000, over: 30 * time.Second, want: 16_667},
		"50 in 10 s":             {n: 50, over: 10 * time.Second, want: 25},
		"one":                    {n: 1, over: 10 * time.Second, want: 1},
		"none":                   {over: 10 * time.Second, want: 1},
		"at the end, 1,000":      {n: 1000, over: 10 * time.Second, end: true, want: 500},
		"at the end, a few only": {n: 10, over: 10 * time.Second, end: true, want: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d admission.Drain
				d.Begin(tt.over)
				perSecond := d.ToNodes(tt.n, tt.over)
				if perSecond != tt.want {
					t.Errorf("%d a second, want %d", perSecond, tt.want)
				}
				r := admission.NewRegistry(0, 0, nil)
				var back []time.Time
				for range tt.n {
					l, err := reserve(r, netip.Addr{})
					if err != nil {
						t.Fatal(err)
					}
					l.left = func() {
						after, away := d.ComeBack()
						if away {
							t.Error("nobody is there")
						}
						back = append(back, time.Now().Add(after))
					}
					r.Add(l)
				}
				over := tt.over * 3 / 10
				if tt.end {
					d.End(tt.n, false)
					over = 0
				}
				if err := r.Leave(t.Context(), over); err != nil || len(back) != tt.n {
					t.Errorf("%d have left: %v", len(back), err)
				}
				slices.SortFunc(back, time.Time.Compare)
				for i := 0; i+perSecond < tt.n; i++ {
					if d := back[i+perSecond].Sub(back[i]); d < time.Second-time.Microsecond {
						t.Fatalf("%d within %v", perSecond+1, d)
					}
				}
			})
		})
	}
}
