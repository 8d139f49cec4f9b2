package brokertest

import "time"

// An oracle is the history of one namespace, slow and obvious: everything that was
// ever published, with a mark on what is gone.
type oracle struct {
	limits  limits
	records []*record
	last    uint64
}

type record struct {
	channel string
	offset  uint64
	units   int
	at      time.Time
	gone    bool
}

func (o *oracle) publish(channel string, offset uint64, units int) {
	o.last = offset
	o.age()
	o.records = append(o.records, &record{channel, offset, units, time.Now(), false})

	// Too big to retain: the channel's history begins after it.
	if units > maxUnits {
		for _, r := range o.of(channel) {
			r.gone = true
		}
	}
	// Too many: it replaces its channel's oldest, and so needs less room.
	for n := o.limits.publications; len(o.kept(channel)) > n; {
		o.kept(channel)[0].gone = true
	}
	// Too many bytes: the namespace's oldest make room for the rest.
	for o.units() > maxUnits {
		o.oldest().gone = true
	}
}

func (o *oracle) age() {
	for _, r := range o.records {
		if time.Since(r.at) >= o.limits.age {
			r.gone = true
		}
	}
}

// of is all that was ever published in a channel.
func (o *oracle) of(channel string) (list []*record) {
	for _, r := range o.records {
		if r.channel == channel {
			list = append(list, r)
		}
	}
	return list
}

func (o *oracle) kept(channel string) (list []*record) {
	for _, r := range o.of(channel) {
		if !r.gone {
			list = append(list, r)
		}
	}
	return list
}

func (o *oracle) units() (sum int) {
	for _, r := range o.records {
		if !r.gone {
			sum += r.units
		}
	}
	return sum
}

func (o *oracle) oldest() *record {
	for _, r := range o.records {
		if !r.gone {
			return r
		}
	}
	return nil
}

// head is the highest offset the channel ever had; 0 if none.
func (o *oracle) head(channel string) (head uint64) {
	for _, r := range o.of(channel) {
		head = r.offset
	}
	return head
}

// retained are the offsets now retained after since.
func (o *oracle) retained(channel string, since uint64) []uint64 {
	o.age()
	list := []uint64{}
	for _, r := range o.kept(channel) {
		if r.offset > since {
			list = append(list, r.offset)
		}
	}
	return list
}

// missing is the highest offset after since that is gone; 0 if none is.
func (o *oracle) missing(channel string, since uint64) (missing uint64) {
	o.age()
	for _, r := range o.of(channel) {
		if r.gone && r.offset > since {
			missing = r.offset
		}
	}
	return missing
}
