package jetstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"maru.example/maru"

	"github.com/nats-io/nats-server/v2/server"
	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	syncInterval = time.Second      // between two fsyncs of the store at intervals
	maxPayload   = 64 << 20         // bytes of a message
	maxData      = 63 << 20         // bytes of a publication's data, which is a part of its message
	startTimeout = 30 * time.Second // for the embedded server
	apiTimeout   = 10 * time.Second // for an answer of the store

	keysStream = "keys"
)

// A store is a running embedded server and a connection to it.
type store struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	closed chan struct{}
}

func openStore(dir string, syncAlways bool, log *slog.Logger) (*store, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "maru", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, JetStreamMaxStore: 1 << 50, JetStreamMaxMemory: 1 << 20,
		SyncInterval: syncInterval, SyncAlways: syncAlways,
		MaxPayload: maxPayload, MaxPending: 4 * maxPayload,
	})
	if err != nil {
		return nil, err
	}
	srv.SetLoggerV2(serverLog{log}, false, false, false)
	srv.Start()
	s := &store{server: srv, closed: make(chan struct{})}
	if !srv.ReadyForConnections(startTimeout) || !srv.JetStreamEnabled() {
		s.close()
		return nil, fmt.Errorf("the embedded store in %s does not start; the log lines before this one say why", dir)
	}
	s.conn, err = nats.Connect("", nats.InProcessServer(srv), nats.NoReconnect(), nats.Timeout(startTimeout))
	if err == nil {
		s.js, err = jetstream.New(s.conn)
	}
	if err == nil {
		err = s.ensure(jetstream.StreamConfig{Name: keysStream, Subjects: []string{keysStream + ".>"}, MaxAge: maru.IdempotencyAge})
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close returns when everything is on disk.
func (s *store) close() {
	close(s.closed)
	if s.conn != nil {
		s.conn.Close()
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// ensure makes the stream, or gives an existing one these limits.
func (s *store) ensure(c jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	c.Storage, c.Discard, c.AllowDirect = jetstream.FileStorage, jetstream.DiscardOld, true
	_, err := s.js.CreateOrUpdateStream(ctx, c)
	return err
}

// streamName is also the name of a directory, and differs where case makes no difference.
func streamName(namespace string) string {
	readable := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, namespace[:min(len(namespace), 32)])
	return fmt.Sprintf("%s-%x", readable, sha256.Sum256([]byte(namespace)))[:len(readable)+1+16]
}

// namespaceStream has limits a little above what is retained, so that the history in memory
// decides what is removed.
func namespaceStream(namespace string, r maru.Retention) jetstream.StreamConfig {
	name := streamName(namespace)
	return jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".*"}, Metadata: map[string]string{"namespace": namespace},
		MaxMsgsPerSubject: int64(max(r.Publications, 1)), MaxAge: max(r.Age, time.Second), MaxBytes: 2*max(r.Bytes, 0) + 1<<20,
	}
}

// lastSequence returns the number of the stream's last message, even if that was removed; 0
// if there is no such stream.
func (s *store) lastSequence(stream string) (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	found, err := s.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return found.CachedInfo().State.LastSeq, nil
}

func (s *store) drop(stream string) error {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	err := s.js.DeleteStream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// namespaces returns the names of the namespaces that have a stream.
func (s *store) namespaces() (names []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	all := s.js.ListStreams(ctx)
	for info := range all.Info() {
		if name, ok := info.Config.Metadata["namespace"]; ok {
			names = append(names, name)
		}
	}
	return names, all.Err()
}

// message is a message of the log.
type message struct {
	seq     uint64
	subject string
	data    []byte
}

// read calls each for the messages of a stream with a number of seq or more, in order (the
// batched direct get of NATS ADR-31). A stream that does not exist has none.
func (s *store) read(stream, subject string, seq uint64, each func(message) error) error {
	inbox := s.conn.NewInbox()
	answers, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer answers.Unsubscribe()
	answers.SetPendingLimits(-1, -1)
	for {
		request, _ := json.Marshal(map[string]any{"seq": max(seq, 1), "batch": 1000, "next_by_subj": subject})
		if err := s.conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
			return err
		}
		for more := true; more; {
			m, err := answers.NextMsg(apiTimeout)
			if errors.Is(err, nats.ErrNoResponders) {
				return nil // no such stream
			}
			if err != nil {
				return fmt.Errorf("reading %s: %w", stream, err)
			}
			switch status := m.Header.Get("Status"); status {
			case "":
				n, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
				if err != nil {
					return fmt.Errorf("reading %s: %w", stream, err)
				}
				if err := each(message{n, m.Header.Get("Nats-Subject"), m.Data}); err != nil {
					return err
				}
				seq = n + 1
			case "204": // the end of this batch
				if m.Header.Get("Nats-Num-Pending") == "0" {
					return nil
				}
				more = false
			case "404": // there are no more messages
				return nil
			default:
				return fmt.Errorf("reading %s: %s %s", stream, status, m.Header.Get("Description"))
			}
		}
	}
}

// probe returns nil if a file can be written to the directory.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 1<<20))
	return errors.Join(err, f.Sync(), f.Close())
}

// An appender writes the messages of a namespace. It is not safe for concurrent use.
type appender struct {
	*store
	inbox   string
	acks    *nats.Subscription
	arrived chan *nats.Msg
	number  uint64 // of the last batch
	pending map[uint64]*outgoing
}

// appender makes an appender for at most max messages in progress.
func (s *store) appender(max int) (*appender, error) {
	a := &appender{store: s, inbox: s.conn.NewInbox(), arrived: make(chan *nats.Msg, max), pending: make(map[uint64]*outgoing)}
	var err error
	a.acks, err = s.conn.ChanSubscribe(a.inbox+".>", a.arrived)
	return a, err
}

// outgoing is a batch of messages on their way.
type outgoing struct {
	batch    uint64
	messages []entry
	left     int   // messages that are not acknowledged yet
	err      error // the first error
}

// entry is a message to be written. It has a number once it is acknowledged.
type entry struct {
	subject string
	data    []byte
	seq     uint64
}

var errNoAnswer = errors.New("the store did not acknowledge a write in time")

// send sends messages and returns the batch to wait for.
func (a *appender) send(messages []entry) *outgoing {
	a.number++
	out := &outgoing{batch: a.number, messages: messages}
	a.pending[out.batch] = out
	prefix := a.inbox + "." + strconv.FormatUint(out.batch, 10) + "."
	for i, m := range messages {
		if out.err = a.conn.PublishRequest(m.subject, prefix+strconv.Itoa(i), m.data); out.err != nil {
			break
		}
		out.left++
	}
	return out
}

// wait waits until each message is acknowledged or has failed.
func (a *appender) wait(out *outgoing) error {
	defer delete(a.pending, out.batch)
	patience := time.NewTimer(apiTimeout)
	defer patience.Stop()
	for out.left > 0 {
		select {
		case m := <-a.arrived:
			a.acknowledged(m)
		case <-patience.C:
			return cmp.Or(out.err, errNoAnswer)
		case <-a.closed:
			return cmp.Or(out.err, errNoAnswer)
		}
	}
	return out.err
}

func (a *appender) append(messages ...entry) error { return a.wait(a.send(messages)) }

func (a *appender) acknowledged(m *nats.Msg) {
	batch, index, _ := strings.Cut(m.Subject[len(a.inbox)+1:], ".")
	number, _ := strconv.ParseUint(batch, 10, 64)
	i, err := strconv.Atoi(index)
	out := a.pending[number]
	if out == nil || err != nil || i >= len(out.messages) {
		return // wait has returned for this batch
	}
	out.messages[i].seq, err = parseAck(m)
	out.err = cmp.Or(out.err, err)
	out.left--
}

func parseAck(m *nats.Msg) (seq uint64, err error) {
	if status := m.Header.Get("Status"); status != "" {
		return 0, fmt.Errorf("status %s", status)
	}
	var ack struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	return ack.Seq, nil
}

// serverLog passes on the log of the embedded server.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Debugf(format string, v ...any)  {}
func (l serverLog) Tracef(format string, v ...any)  {}
func (l serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Warnf(format string, v ...any) {
	// Its warning about large messages does not apply: they are not sent over a network.
	if !strings.HasPrefix(format, "Maximum payloads over") {
		l.log.Warn(fmt.Sprintf(format, v...))
	}
}
func (l serverLog) Fatalf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
