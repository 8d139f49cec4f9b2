package jetstream

import (
	"encoding/binary"
	"time"

	"maru.example/maru/internal/history"
)

// A keyRecord is an idempotency key as the stream of keys stores it. One message has the
// keys of a batch, one after the other:
//
//	format 1 · (channel · publisher · key · sum · offset · time (ns)) …
type keyRecord struct {
	key    history.RepeatKey
	sum    history.Sum
	offset uint64 // of the publication; 0 for a transient one
	time   time.Time
}

const keysFormat = 1

func appendKeys(dst []byte, records []keyRecord) []byte {
	dst = append(dst, keysFormat)
	for _, k := range records {
		dst = appendString(dst, k.key.Channel)
		dst = appendString(dst, k.key.Publisher)
		dst = appendString(dst, k.key.Key)
		dst = append(dst, k.sum[:]...)
		dst = binary.AppendUvarint(dst, k.offset)
		dst = binary.AppendVarint(dst, k.time.UnixNano())
	}
	return dst
}

func parseKeys(b []byte) (records []keyRecord, err error) {
	r := reader{rest: b}
	if r.byte() != keysFormat {
		return nil, errEnvelope
	}
	for len(r.rest) > 0 {
		var k keyRecord
		k.key.Channel, k.key.Publisher, k.key.Key = r.string(), r.string(), r.string()
		copy(k.sum[:], r.bytes(len(k.sum)))
		k.offset, k.time = r.uvarint(), time.Unix(0, r.varint())
		if r.failed {
			return nil, errEnvelope
		}
		records = append(records, k)
	}
	return records, nil
}
