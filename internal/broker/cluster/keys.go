package cluster

import (
	"context"
	"encoding/binary"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/history"

	"github.com/nats-io/nats.go/jetstream"
)

// A keyRecord is an idempotency key as the stream of keys stores it, which keeps it for
// maru.IdempotencyAge even if its publication is removed earlier. One message has the keys of a
// batch, one after the other:
//
//	format 1 · (channel · publisher · key · sum · share · offset · time (ns)) …
type keyRecord struct {
	key    history.RepeatKey
	sum    history.Sum
	share  maru.KeyShare
	offset uint64 // of the publication; 0 for a transient one
	time   time.Time
}

const keysFormat = 1

func appendKeys(dst []byte, records []keyRecord) []byte {
	dst = append(dst, keysFormat)
	for _, k := range records {
		dst = fields.AppendString(dst, k.key.Channel)
		dst = fields.AppendString(dst, k.key.Publisher)
		dst = fields.AppendString(dst, k.key.Key)
		dst = append(append(dst, k.sum[:]...), byte(k.share))
		dst = binary.AppendUvarint(dst, k.offset)
		dst = binary.AppendVarint(dst, k.time.UnixNano())
	}
	return dst
}

func parseKeys(b []byte) (records []keyRecord, err error) {
	r := fields.Reader{Rest: b}
	if r.Byte() != keysFormat {
		return nil, errDamaged
	}
	for len(r.Rest) > 0 {
		var k keyRecord
		k.key.Channel, k.key.Publisher, k.key.Key = r.String(), r.String(), r.String()
		copy(k.sum[:], r.Bytes(len(k.sum)))
		k.share = readShare(&r)
		k.offset, k.time = r.Uvarint(), time.Unix(0, r.Varint())
		if r.Failed {
			return nil, errDamaged
		}
		records = append(records, k)
	}
	return records, nil
}

func readShare(r *fields.Reader) maru.KeyShare {
	share := maru.KeyShare(r.Byte())
	if share > maru.NoShare {
		r.Failed = true
	}
	return share
}

// ensureKeys makes the stream of keys.
func (l *link) ensureKeys(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err := l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: l.names.keysStream(), Subjects: []string{l.names.prefix + ".keys.*"}, Description: "maru: idempotency keys",
		MaxAge: maru.IdempotencyAge, Storage: jetstream.FileStorage, AllowDirect: true, Replicas: l.copies(),
	})
	return err
}
