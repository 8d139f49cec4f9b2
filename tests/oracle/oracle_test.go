package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

var (
	kills   = flag.Int("kills", 4, "how often the server is killed")
	clients = flag.Int("clients", 16, "how many follow")
	seed    = flag.Uint64("seed", 0, "of all chances; 0: a new one")
)

const (
	channels   = 4
	publishers = 8
	strangers  = 2
	retained   = 300 // of a channel: a follower that is away for long receives a gap

	// patience bounds the wait for the last messages after all were published.
	patience = 60 * time.Second
)

var maru string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "oracle")
	if err == nil {
		err = program.Build("../..", dir, "./cmd/maru")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	maru = dir + "/maru"
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// truth holds the acknowledged publications.
type truth struct {
	mu    sync.Mutex
	acked map[string]map[uint64]string // by channel and offset: the payload
	epoch string
	count int
	more  chan struct{} // closed at the next acknowledgement
	ended atomic.Bool   // nothing more is published
	over  context.Context
	stop  func() // ends over
}

func newTruth(ctx context.Context) *truth {
	tr := &truth{acked: make(map[string]map[uint64]string), more: make(chan struct{})}
	tr.over, tr.stop = context.WithCancel(ctx)
	return tr
}

func (tr *truth) add(t *testing.T, channel, epoch string, offset uint64, payload string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.epoch == "" {
		tr.epoch = epoch
	}
	if epoch != tr.epoch {
		t.Errorf("the epoch went from %s to %s: kill -9 loses nothing", tr.epoch, epoch)
	}
	if tr.acked[channel] == nil {
		tr.acked[channel] = make(map[uint64]string)
	}
	if before, twice := tr.acked[channel][offset]; twice {
		t.Errorf("%s: both %s and %s are at %d", channel, before, payload, offset)
	}
	tr.acked[channel][offset] = payload
	tr.count++
	tr.wake()
}

func (tr *truth) wake() {
	close(tr.more)
	tr.more = make(chan struct{})
}

// end marks that nothing more is published.
func (tr *truth) end() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.ended.Store(true)
	tr.stop()
	tr.wake()
}

// await waits until n were acknowledged, or it is over.
func (tr *truth) await(ctx context.Context, n int) {
	for {
		tr.mu.Lock()
		count, more := tr.count, tr.more
		tr.mu.Unlock()
		if count >= n || tr.ended.Load() {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}

func (tr *truth) now() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.count
}

// head is the last offset of a channel, once it is over; 0 before.
func (tr *truth) head(channel string) (last uint64) {
	if !tr.ended.Load() {
		return 0
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for offset := range tr.acked[channel] {
		last = max(last, offset)
	}
	return last
}

func channel(i int) string { return fmt.Sprintf("room:%d", i%channels) }

func TestOracle(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	chance := rand.New(rand.NewPCG(*seed, 0))
	addr, dir, rules := program.FreeAddr(t), t.TempDir(), config(t)
	serve := func() *program.Process {
		p := program.Start(t, maru, "serve", "--config", rules, "--listen", addr, "--data", dir, "--history", fmt.Sprint(retained), "--backlog-messages", "100")
		program.AwaitPort(t, p, addr)
		return p
	}
	server := serve()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr := newTruth(ctx)

	quiet := publishQuiet(ctx, t, addr)
	var publishing, following sync.WaitGroup
	stop := make(chan struct{})
	for i := range publishers {
		publishing.Go(func() { publish(ctx, t, tr, addr, i, stop) })
	}
	var accepted atomic.Int64
	for i := range strangers {
		chance := rand.New(rand.NewPCG(*seed, 1<<32+uint64(i)))
		publishing.Go(func() { accepted.Add(int64(flood(ctx, addr, chance, stop))) })
	}
	var all []*follower
	for i := range *clients {
		f := newFollower(i, addr, tr, rand.New(rand.NewPCG(*seed, uint64(i)+1)))
		all = append(all, f)
		following.Go(func() { f.follow(ctx) })
	}
	for range *kills {
		tr.await(ctx, tr.now()+50+chance.IntN(500))
		server.Kill(t)
		server = serve()
		quiet[chance.IntN(len(quiet))].check(ctx, t)
	}
	tr.await(ctx, tr.now()+100)
	close(stop)
	publishing.Wait()
	tr.end()

	for _, q := range quiet {
		q.check(ctx, t)
	}

	late := time.AfterFunc(patience, cancel)
	following.Wait()
	late.Stop()
	var seen, gaps, cuts int
	for _, f := range all {
		f.judge(t)
		seen, gaps, cuts = seen+len(f.seen), gaps+len(f.gaps), cuts+f.connections-1
	}
	t.Logf("%d kills, %d acknowledged; %d followers saw %d, were cut %d times and received %d gaps; strangers published %d", *kills, tr.count, len(all), seen, cuts, gaps, accepted.Load())
	if t.Failed() {
		t.Logf("go test ./tests/oracle -kills %d -clients %d -seed %d", *kills, *clients, *seed)
	}
	if seen == 0 || cuts == 0 || accepted.Load() == 0 {
		t.Error("nothing was tried")
	}
	if code := server.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// publish publishes until stop, each message until it is acknowledged.
func publish(ctx context.Context, t *testing.T, tr *truth, addr string, number int, stop chan struct{}) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	var last [channels]uint64
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		payload, to := fmt.Sprintf("%d.%d", number, i), channel(number+i)
		for ctx.Err() == nil {
			epoch, offset, status, err := post(ctx, client, "http://"+addr+"/channels/"+to, payload)
			if err == nil && status == http.StatusOK {
				tr.add(t, to, epoch, offset, payload)
				if n := (number + i) % channels; offset <= last[n] {
					t.Errorf("%s went from %d to %d", to, last[n], offset)
				} else {
					last[n] = offset
				}
				break
			}
			if err == nil && status != http.StatusServiceUnavailable {
				t.Errorf("POST: %d", status)
				return
			}
			pause(ctx, 10*time.Millisecond) // it was killed
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func post(ctx context.Context, client *http.Client, url, payload string) (epoch string, offset uint64, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(payload)))
	if err != nil {
		return "", 0, 0, err
	}
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Idempotency-Key", payload)
	answer, err := client.Do(r)
	if err != nil {
		return "", 0, 0, err
	}
	defer answer.Body.Close()
	var at struct {
		Epoch  string
		Offset uint64
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &at)
	}
	return at.Epoch, at.Offset, answer.StatusCode, err
}

// pause waits where there is no event to wait for.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
