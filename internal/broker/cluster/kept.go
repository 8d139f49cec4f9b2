package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A keptRecord is a record of maru.Keeper as the stream PREFIX_kept stores it, or that it was
// removed: nodes that have the record must see that until it would have ended anyway.
//
//	format 1 · flags · until (ns, 8, by the clock of NATS) · key · value
type keptRecord struct {
	maru.KeptChange        // Value is nil if it was removed
	seq             uint64 // in the stream; 0: there is none
}

const (
	keptFormat  = 1
	keptRemoved = 1 // a flag

	maxKept      = 64 << 10        // bytes of a key and its value
	maxKeptKind  = 64              // bytes
	keptTime     = 5 * time.Second // for one change or question
	removedFor   = time.Hour       // a removal is remembered, if the end of the record is not known
	barrierToken = "b"             // no record's: a hash has 43 letters
	barrierFor   = time.Minute
)

func (r *keptRecord) append(dst []byte) []byte {
	dst = append(dst, keptFormat, flag(r.Value == nil, keptRemoved))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Until.UnixNano()))
	return append(fields.AppendString(dst, r.Key), r.Value...)
}

func parseKept(b []byte) (keptRecord, error) {
	r := fields.Reader{Rest: b}
	format, flags := r.Byte(), r.Byte()
	until := time.Unix(0, int64(r.Uint64()))
	key := r.String()
	if r.Failed || format != keptFormat || flags > keptRemoved || flags == keptRemoved && len(r.Rest) > 0 {
		return keptRecord{}, errDamaged
	}
	one := keptRecord{KeptChange: maru.KeptChange{Key: key, Until: until}}
	if flags == 0 {
		one.Value = append(make([]byte, 0, len(r.Rest)), r.Rest...)
	}
	return one, nil
}

// there reports whether the record is there, and has not reached its time.
func (r *keptRecord) there() bool { return r.Value != nil && time.Now().Before(r.Until) }

// message is the record as a message that ends with it, at least a second from now: NATS counts in
// seconds.
func (l *link) message(kind string, r keptRecord) *nats.Msg {
	m := nats.NewMsg(l.names.kept(kind, keptToken(r.Key)))
	m.Header.Set(jetstream.MsgTTLHeader, max(time.Until(r.Until).Truncate(time.Second)+time.Second, time.Second).String())
	r.Until = r.Until.Add(l.skew())
	m.Data = r.append(nil)
	return m
}

// record reads what message wrote.
func (l *link) record(data []byte) (keptRecord, error) {
	r, err := parseKept(data)
	r.Until = r.Until.Add(-l.skew())
	return r, err
}

// keptToken is a key as one token of a subject: keys are any text, and long.
func keptToken(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ensureKept makes the stream of records.
func (l *link) ensureKept(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err := l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: l.names.keptStream(), Subjects: []string{l.names.prefix + ".kept.*.*"}, Description: "maru: sessions, tickets, revocations",
		MaxMsgsPerSubject: 1, AllowMsgTTL: true, AllowAtomicPublish: true, Storage: jetstream.FileStorage, AllowDirect: true, Replicas: l.copies(),
	})
	return err
}

// keptAt asks the leader of the stream for a record, so that the answer knows all changes that were
// acknowledged. A record that is not there has the number that its next change must name.
func (l *link) keptAt(ctx context.Context, kind, key string) (keptRecord, error) {
	none := keptRecord{KeptChange: maru.KeptChange{Key: key}}
	question, _ := json.Marshal(map[string]string{"last_by_subj": l.names.kept(kind, keptToken(key))})
	m, err := l.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+l.names.keptStream(), question)
	if err != nil {
		return none, err
	}
	answer, err := readAnswer(m)
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	found, err := l.record(answer.Message.Data)
	found.seq = answer.Message.Seq
	if err == nil && found.Key != key {
		err = errDamaged
	}
	return found, err
}

// answer is what is read of the answers of JetStream that its client has no method for.
type answer struct {
	Error   *jetstream.APIError `json:"error"`
	Seq     uint64              `json:"seq"` // of a message that was stored
	Message struct {
		Seq  uint64    `json:"seq"`
		Data []byte    `json:"data"`
		Time time.Time `json:"time"`
	} `json:"message"`
}

func readAnswer(m *nats.Msg) (a answer, err error) {
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return a, err
	}
	if a.Error != nil {
		return a, a.Error
	}
	return a, nil
}

// keptError is what a caller gets for an error of NATS.
func keptError(ctx context.Context, err error) error {
	var known *maru.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case faultOf(err) == faultFull:
		return public(err)
	}
	return errKeptAway
}

var errKeptAway = maru.NewError(maru.CodeUnavailable, "the cluster cannot read or write records at the moment; try again later")
