package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
	"maru.example/maru/internal/shares"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Options of a Broker.
type Options struct {
	// BrokerOptions are those of the server. They are the same on all nodes.
	maru.BrokerOptions
	// Conn is the connection to NATS. It is the broker's until Close, which leaves it open. It
	// must have been made with ConnOptions.
	Conn *nats.Conn
	// Prefix begins all subjects, streams and buckets, so that clusters can share servers: letters,
	// digits and hyphens. Default: maru.
	Prefix string
	// Replicas of what JetStream stores: 1, 3 or 5. Default: 3, or 1 if NATS is a single server.
	Replicas int
	// Members, if not nil, returns how many servers of NATS there are, or 0 if that is not known. There
	// are no more replicas than that: see Spread. It must not wait.
	Members func() int
	// EmptyChannels is the number of channels without retained publications whose heads a node
	// remembers, in its listed namespaces and in the pool of the others each. Default 1,000,000;
	// negative: none.
	EmptyChannels int
	// Interest: only channels that were followed (Broker.Follow) are taken from NATS and delivered.
	// Without it all are.
	Interest bool
	// Grace is for how long a channel that is no longer followed is still taken, so that coming
	// and going costs nothing. Default 10 s.
	Grace time.Duration
	// Beat is how often a node says that it is alive. One that is silent for five beats is dead to
	// the others. Default 1 s.
	Beat time.Duration

	restores bool             // a Restorer's: the history may be a part
	clock    func() time.Time // of this machine; default time.Now. Tests set it
	start    time.Time        // of this node; default now. Tests set it
	room     int64            // bytes of what arrived; default arrivalBytes. Tests set it
}

func (o Options) withDefaults() Options {
	o.BrokerOptions = o.BrokerOptions.WithDefaults()
	o.Prefix = cmp.Or(o.Prefix, "maru")
	if o.Replicas == 0 {
		if o.Replicas = 3; o.Conn.ConnectedClusterName() == "" {
			o.Replicas = 1
		}
	}
	o.EmptyChannels = max(0, cmp.Or(o.EmptyChannels, 1_000_000))
	o.Beat = cmp.Or(o.Beat, time.Second)
	o.room = cmp.Or(o.room, arrivalBytes)
	o.start = cmp.Or(o.start, time.Now())
	if o.clock == nil {
		o.clock = time.Now
	}
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	return o
}

// check refuses what NATS would refuse later, and with a worse explanation.
func (o *Options) check() error {
	switch name, n := cmp.Or(o.Prefix, "maru"), o.Replicas; {
	case len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "":
		return fmt.Errorf("the name of a cluster must be 1 to 32 letters, digits and hyphens, not %q", name)
	case n != 0 && n != 1 && n != 3 && n != 5:
		return fmt.Errorf("%d replicas: NATS can keep 1, 3 or 5, or 0 for what its servers can do", n)
	}
	return nil
}

// ConnOptions are what a connection of a Broker needs. A connection that breaks comes back, and one
// that is silent is noticed, well before the others think that the node is dead.
func ConnOptions() []nats.Option {
	return append(newDialer().options(), nats.NoEcho(), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ErrorHandler(ignored), nats.RetryOnFailedConnect(false), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250*time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(3))
}

// ignored is for the time before a Broker has the connection: the library would write to stderr.
func ignored(*nats.Conn, *nats.Subscription, error) {}

// Broker is a maru.Broker of one node of a cluster. Make one with Open.
type Broker struct {
	*link
	options Options
	id      string // of this node, of this run
	epoch   string // of namespaces without publications
	start   time.Time
	peers   *peers
	keys    *history.Keys
	heads   [2]*history.Heads // of listed namespaces, and of the pool of the others
	inbox   string

	ctx       context.Context // ends with Close
	cancel    context.CancelCauseFunc
	accepted  sync.WaitGroup // submissions in progress
	working   sync.WaitGroup // writers, searches, healings, answers
	arrived   chan *nats.Msg // what is carried, asked and answered, in the order in which it came
	intake    *intake        // what of it waits
	subs      []*nats.Subscription
	marks     sync.Map // of arrived: see barrier
	requests  requests
	taken     *shares.Shares // what other nodes have submitted here
	answers   *shares.Shares // what other nodes ask here
	questions atomic.Uint64  // for histories, of this node
	bus       bus
	onLoss    atomic.Pointer[func(channel string)]
	yields    atomic.Bool // see Yield

	mu        sync.Mutex
	closed    bool // no more submissions are taken
	ended     bool // no more goroutines are begun
	places    map[string]*place
	interests map[string]*interest
	inOrder   bool // see InOrder
	lanes     map[*place]*lane
	hashes    map[channelHash]*follower // of those with a lane
	watches   []*keptWatch
}

var _ maru.Broker = (*Broker)(nil)

// joinTime is for all that Open asks of JetStream.
const joinTime = 30 * time.Second

var (
	errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")
	errTooLarge     = maru.NewError(maru.CodeTooLarge, "the publication is larger than NATS takes: its max_payload says how much")
	errNotAvailable = maru.NewError(maru.CodeUnavailable, "the cluster cannot take publications at the moment; try again later")
	errUnknown      = maru.NewError(maru.CodeBadRequest, "this node does not understand the question; all nodes should have the same version")
	errAway         = maru.NewError(maru.CodeUnavailable, "this node is cut off from the cluster; try again later")
	errNotOwner     = errors.New("another node owns the namespace")
)

// Open joins the cluster. The error says what NATS refuses. It is a *HistoryError if a restore is in progress
// or broke off: a node would offer a part of the history as if it were all.
func Open(ctx context.Context, o Options) (*Broker, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	b := &Broker{
		options: o, id: nuid.Next(), start: o.start, keys: history.NewKeys(history.PublisherKeys, history.AllKeys),
		arrived: make(chan *nats.Msg, arrivals), intake: newIntake(o.room), inbox: o.Conn.NewInbox(), requests: requests{open: make(map[uint64]*request)},
		taken: shares.New(mostTaken, "bytes of publications of other nodes", o.Logger), answers: shares.New(mostAnswers, "questions of other nodes", o.Logger),
		heads:  [2]*history.Heads{history.NewStableHeads(o.EmptyChannels), history.NewStableHeads(o.EmptyChannels)},
		places: make(map[string]*place), interests: make(map[string]*interest),
		lanes: make(map[*place]*lane), hashes: make(map[channelHash]*follower),
		bus: bus{handlers: make(map[string]maru.BusHandler)},
	}
	b.ctx, b.cancel = context.WithCancelCause(context.Background())
	b.Handle(kindTake, b.askedToTake)
	err := b.join(ctx)
	if err != nil {
		b.cancel(err)
		b.unsubscribe()
		return nil, fmt.Errorf("cluster %s on NATS: %w", o.Prefix, err)
	}
	b.watchConn()
	b.working.Go(func() { b.peers.run(b.ctx, o.Logger) })
	b.working.Go(b.takeIn)
	b.working.Go(b.dispatch)
	b.working.Go(b.tend)
	b.working.Go(b.watchNodes)
	select { // so that Nodes has the others from the beginning
	case <-b.peers.known:
	case <-ctx.Done():
	case <-time.After(apiTimeout):
	}
	return b, nil
}

func (b *Broker) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	var err error
	if b.link, err = openLink(ctx, &b.options); err != nil {
		return err
	}
	if err = started(ctx, func() (err error) { b.epoch, err = b.link.epoch(ctx, history.NewEpoch()); return err }); err != nil {
		return err
	}
	if !b.options.restores {
		if err = started(ctx, func() error { return b.checkRestored(ctx, b.options.Beat) }); err != nil {
			return err
		}
	}
	b.peers = newPeers(b.link, b.id, b.options.Beat)
	subjects := []string{b.names.node(b.id), b.inbox + ".*", b.names.bus(b.id), b.names.bus(everyone)}
	if !b.options.Interest {
		subjects = append(subjects, b.names.carriage("*"))
	}
	for _, subject := range subjects {
		sub, err := b.conn.ChanSubscribe(subject, b.arrived)
		if err != nil {
			return err
		}
		b.subs = append(b.subs, sub)
	}
	if err := b.conn.FlushWithContext(ctx); err != nil {
		return err
	}
	b.measure(ctx)
	return started(ctx, func() error { return b.peers.join(ctx, b.options.Logger) })
}

func (b *Broker) unsubscribe() {
	for _, sub := range b.subs {
		sub.Unsubscribe()
	}
}

// Submit implements maru.Broker. Errors: CodeBadText, CodeBadRequest, CodeTooLarge,
// CodeIdempotencyConflict, CodeRateLimited, CodeUnavailable, and CodeShuttingDown after Close. After
// CodeUnavailable the publication may have been accepted.
func (b *Broker) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	if !b.enter() {
		done(maru.Published{}, errShuttingDown)
		return
	}
	b.placeOf(channel).submit(newSubmission(channel, p, o, b.conn.MaxPayload()-partRoom, b.leaving(done)))
}

// enter counts a submission in progress, for which Close waits. It reports false after Close.
func (b *Broker) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.accepted.Add(1)
	}
	return !b.closed
}

// leaving is done, counted out.
func (b *Broker) leaving(done func(maru.Published, error)) func(maru.Published, error) {
	return func(p maru.Published, err error) {
		defer b.accepted.Done()
		done(p, err)
	}
}

// History implements maru.Broker. It fails with CodeUnavailable while the cluster is away, with
// CodeShuttingDown after Close, and with ctx's error.
func (b *Broker) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.ctx, func() { cancel(errShuttingDown) })()
	f := b.hold(channel)
	if f == nil {
		return b.history(ctx, channel, q)
	}
	defer b.release(f)
	for {
		begun := f.begun()
		h, err := b.history(ctx, channel, q)
		if err == nil {
			err = b.agree(ctx, f, maru.Position{Epoch: h.Epoch, Offset: h.Head}, begun)
		}
		if err != errEarlier {
			return h, err
		}
	}
}

// history is History, maybe before this node has delivered what it shows.
func (b *Broker) history(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	p := b.placeOf(channel)
	for {
		if err := context.Cause(ctx); err != nil {
			return maru.History{}, err
		}
		ours, theirs, err := p.wait(ctx)
		if err != nil {
			return maru.History{}, err
		}
		var h maru.History
		if ours != nil {
			if !b.peers.holds() {
				return h, b.away()
			}
			h, err = ours.answer(channel, q)
		} else if h, err = b.askHistory(ctx, p, theirs, channel, q); errors.Is(err, errNotOwner) {
			p.wrong(theirs)
		}
		if !errors.Is(err, errNotOwner) {
			return h, err
		}
		select {
		case <-time.After(searchPause):
		case <-ctx.Done():
		}
	}
}

// OnLoss implements maru.LossReporter.
func (b *Broker) OnLoss(f func(channel string)) { b.onLoss.Store(&f) }

// placeOf returns the place of a channel's namespace. Names that are not listed share one.
func (b *Broker) placeOf(channel string) *place {
	name := maru.Namespace(channel)
	if !b.options.Listed(name) {
		name = ""
	}
	return b.place(name)
}

func (b *Broker) place(name string) *place {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.places[name]
	if p == nil {
		name = strings.Clone(name)
		p = &place{broker: b, name: name}
		b.places[name] = p
	}
	return p
}

// headsOf bounds the heads of a namespace.
func (b *Broker) headsOf(namespace string) *history.Heads {
	if namespace == "" {
		return b.heads[1]
	}
	return b.heads[0]
}

// carry sends a publication to all nodes that follow its channel, this one too.
func (b *Broker) carry(c carried) {
	b.conn.Publish(b.names.carriage(tokenOf(c.channel)), c.append(nil)) // a loss is noticed
	b.handOver(c)
}

// carryIndex sends an index to all nodes that deliver the namespace in order, this one too.
func (b *Broker) carryIndex(namespace string, x index) {
	b.conn.Publish(b.names.index(namespace), x.append(nil)) // a loss is noticed
	if l := b.laneOf(b.place(namespace)); l != nil {
		l.receive(arrival{index: &x})
	}
}

// handOver gives a publication to its channel, if the node follows it.
func (b *Broker) handOver(c carried) {
	f := b.followed(c.channel)
	if f == nil {
		return
	}
	if l := f.lane.Load(); l != nil {
		l.receive(arrival{carried: c})
		return
	}
	f.receive(c)
}

// dispatch handles what arrives, in order. Nothing in it waits.
func (b *Broker) dispatch() {
	carriage, own, bus, index := b.names.carriage(""), b.names.node(b.id), b.names.bus(""), b.names.indexes()
	handle := func(m *nats.Msg) {
		switch {
		case m.Subject == own:
			b.asked(m)
		case strings.HasPrefix(m.Subject, carriage):
			b.arrivedHere(m)
		case strings.HasPrefix(m.Subject, bus):
			b.busArrived(m)
		case strings.HasPrefix(m.Subject, index):
			b.indexArrived(m.Subject, m.Data)
		case m.Subject == markSubject:
			b.marked(m)
		default:
			b.answered(m)
		}
	}
	for all := []*nats.Msg(nil); ; {
		select {
		case <-b.intake.ready:
		case <-b.ctx.Done():
			return
		}
		all = b.intake.take(all)
		for i, m := range all {
			if b.ctx.Err() != nil {
				return
			}
			handle(m)
			b.intake.handled(m)
			all[i] = nil
		}
	}
}

func (b *Broker) arrivedHere(m *nats.Msg) {
	channel, err := channelOf(m.Subject)
	var c carried
	if err == nil {
		c, err = parseCarried(channel, m.Data)
	}
	if err != nil {
		return // it is missing, and will be noticed
	}
	b.handOver(c)
}

// tend does what is done once in a beat.
func (b *Broker) tend() {
	tick := time.NewTicker(b.options.Beat)
	defer tick.Stop()
	var comparing round
	for beats := 1; ; beats++ {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			return
		}
		if beats%measureEvery == 0 {
			b.measure(b.ctx)
		}
		for _, one := range b.requests.overdue(func(r *request) bool { return time.Since(r.since) > answerTime || !b.peers.alive(r.node) }) {
			one.place.wrong(one.node)
			one.submission.fail(errNotAvailable)
		}
		b.noteAll()
		b.compareSomeOf(b.ctx, &comparing)
		b.loseInterest()
	}
}

// noteAll writes down how far our namespaces have come.
func (b *Broker) noteAll() {
	for _, ns := range b.owned() {
		err := ns.note(b.ctx, false)
		if err == nil {
			err = ns.checkpoint(b.ctx)
		}
		if errors.Is(err, errOvertaken) {
			ns.end(err)
		} else if err != nil && b.ctx.Err() == nil {
			b.options.Logger.Warn("the last number of a namespace cannot be noted", slog.String("namespace", ns.stream.namespace), slog.Any("err", err))
		}
	}
}

func (b *Broker) owned() (all []*namespace) {
	b.mu.Lock()
	places := make([]*place, 0, len(b.places))
	for _, p := range b.places {
		places = append(places, p)
	}
	b.mu.Unlock()
	for _, p := range places {
		if ns := p.owned(); ns != nil {
			all = append(all, ns)
		}
	}
	return all
}

// spawn runs f in a goroutine that Close waits for. It reports false when the broker has ended.
func (b *Broker) spawn(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.working.Go(f)
	return true
}

// now is the clock of the histories; when is the time on it of what was stored at t by the clock of
// NATS.
func (b *Broker) now() time.Duration { return time.Since(b.start) }

func (b *Broker) when(t time.Time) time.Duration { return b.now() - max(0, b.wall().Sub(t)) }
