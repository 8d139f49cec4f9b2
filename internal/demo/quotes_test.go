package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/demo"
)

func TestSameSeedSameWalk(t *testing.T) {
	t.Parallel()
	a, b, other := demo.NewQuotes(7), demo.NewQuotes(7), demo.NewQuotes(8)
	differs := false
	for range 1000 {
		keyA, dataA := a.Next()
		keyB, dataB := b.Next()
		if keyA != keyB || string(dataA) != string(dataB) {
			t.Fatalf("same seed, but %s %s and %s %s", keyA, dataA, keyB, dataB)
		}
		if _, data := other.Next(); string(data) != string(dataA) {
			differs = true
		}
	}
	if !differs {
		t.Error("another seed gave the same walk")
	}
}

func TestQuotesStayBelievable(t *testing.T) {
	t.Parallel()
	q := demo.NewQuotes(1)
	opening := map[string]float64{}
	volume := map[string]int64{}
	for i := range 10_000 {
		key, data := q.Next()
		var got struct {
			Symbol, Name  string
			Price, Change float64
			Volume        int64
		}
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("quote %d: %v in %s", i, err, data)
		}
		if got.Symbol != key || got.Name == "" {
			t.Fatalf("quote %d: key %q, but %s", i, key, data)
		}
		if got.Price <= 0 {
			t.Fatalf("quote %d: price of %s", i, data)
		}
		at := math.Round(got.Price*100) - math.Round(got.Change*100)
		if before, ok := opening[key]; ok && before != at {
			t.Fatalf("quote %d: opening went from %v to %v hundredths: %s", i, before, at, data)
		}
		if ratio := got.Price * 100 / at; ratio < 0.5 || ratio > 2 {
			t.Fatalf("quote %d: wandered off to %s", i, data)
		}
		opening[key] = at
		if got.Volume <= volume[key] {
			t.Fatalf("quote %d: volume %d after %d", i, got.Volume, volume[key])
		}
		volume[key] = got.Volume
	}
	if len(opening) != 8 {
		t.Errorf("%d symbols moved, want 8", len(opening))
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	tests := map[string]struct {
		every time.Duration
		fail  error         // by the fifth publish
		runs  time.Duration // then ctx ends
		want  int
		err   error
	}{
		"until the context ends":    {every: time.Second, runs: 3500 * time.Millisecond, want: 3},
		"five a second by default":  {runs: 700 * time.Millisecond, want: 3},
		"until publishing fails":    {every: time.Second, runs: time.Minute, fail: broken, want: 5, err: broken},
		"negative means by default": {every: -1, runs: 300 * time.Millisecond, want: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.runs)
				defer cancel()
				published := 0
				err := demo.Run(ctx, test.every, func(context.Context, string, []byte) error {
					if published++; published == 5 {
						return test.fail
					}
					return nil
				})
				if !errors.Is(err, test.err) || published != test.want {
					t.Errorf("published %d and %v, want %d and %v", published, err, test.want, test.err)
				}
			})
		})
	}
}

func TestRunEndsQuietlyInsidePublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := demo.Run(ctx, time.Millisecond, func(ctx context.Context, _ string, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil {
			t.Errorf("the context's end became %v", err)
		}
	})
}
