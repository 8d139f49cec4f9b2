package presence

import (
	"encoding/binary"
	"errors"
	"math"

	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/hub"
)

// A message between nodes:
//
//	begin  1 · 'B' · session
//	watch  1 · 'W' · session · number · looked · channel… · unlooked · channel…
//	keep   1 · 'K' · session · number of the last watch · number of the last people
//	end    1 · 'E' · session
//	people 1 · 'P' · session · number · (channel · flags · signed in · anonymous · users · (user · connections)…)…
//	again  1 · 'A' · session
type message struct {
	kind     byte
	session  uint64
	number   uint64
	got      uint64
	looked   []string
	unlooked []string
	people   []people
	bytes    int // about, of people; not sent
}

const (
	format = 1

	kindBegin  = 'B'
	kindWatch  = 'W'
	kindKeep   = 'K'
	kindEnd    = 'E'
	kindPeople = 'P'
	kindAgain  = 'A'

	flagAll   = 1 << 0 // they replace those that are there
	flagMore  = 1 << 1 // the next entry continues them
	flagPart  = 1 << 2 // it continues the one before
	flagCrowd = 1 << 3 // there are more than are named

	flagsKnown = flagAll | flagMore | flagPart | flagCrowd
)

var errDamaged = errors.New("it is no message about presence; it is damaged or from another version")

// maxConnections bounds the numbers of an entry, so that sums do not overflow.
const maxConnections = math.MaxInt32

func (m *message) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, format, m.kind), m.session)
	switch m.kind {
	case kindWatch:
		dst = binary.AppendUvarint(dst, m.number)
		for _, all := range [][]string{m.looked, m.unlooked} {
			dst = binary.AppendUvarint(dst, uint64(len(all)))
			for _, channel := range all {
				dst = fields.AppendString(dst, channel)
			}
		}
	case kindKeep:
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, m.number), m.got)
	case kindPeople:
		dst = binary.AppendUvarint(dst, m.number)
		for i := range m.people {
			dst = m.people[i].append(dst)
		}
	}
	return dst
}

func (is *people) append(dst []byte) []byte {
	flags := is.flags
	if is.Crowd {
		flags |= flagCrowd
	}
	dst = append(fields.AppendString(dst, is.channel), flags)
	dst = binary.AppendUvarint(dst, uint64(is.SignedIn))
	dst = binary.AppendUvarint(dst, uint64(is.Anonymous))
	dst = binary.AppendUvarint(dst, uint64(len(is.Users)))
	for user, n := range is.Users {
		dst = binary.AppendUvarint(fields.AppendString(dst, user), uint64(n))
	}
	return dst
}

// size is about how many bytes append appends.
func (is *people) size() int {
	n := len(is.channel) + 16
	for user := range is.Users {
		n += len(user) + 4
	}
	return n
}

// take takes some of the channels for a watch of a bounded size, and returns the rest.
func (m *message) take(looked, unlooked []string) (restLooked, restUnlooked []string) {
	bytes := 0
	some := func(all []string) int {
		n := 0
		for n < len(all) && bytes < entriesAtOnce {
			bytes += len(all[n]) + 4
			n++
		}
		return n
	}
	i, j := some(looked), some(unlooked)
	m.looked, m.unlooked = looked[:i], unlooked[:j]
	return looked[i:], unlooked[j:]
}

// parseMessage reads what append wrote.
func parseMessage(b []byte) (m message, err error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == format
	m = message{kind: r.Byte(), session: r.Uvarint()}
	switch m.kind {
	case kindBegin, kindEnd, kindAgain:
	case kindWatch:
		m.number = r.Uvarint()
		m.looked, m.unlooked = readChannels(&r), readChannels(&r)
	case kindKeep:
		m.number, m.got = r.Uvarint(), r.Uvarint()
	case kindPeople:
		m.number = r.Uvarint()
		for len(r.Rest) > 0 {
			m.people = append(m.people, readPeople(&r))
		}
	default:
		known = false
	}
	if r.Failed || !known || len(r.Rest) > 0 {
		return message{}, errDamaged
	}
	return m, nil
}

func readChannels(r *fields.Reader) (all []string) {
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		all = append(all, r.String())
	}
	return all
}

func readPeople(r *fields.Reader) people {
	is := people{channel: r.String(), flags: r.Byte()}
	is.People = hub.People{SignedIn: readNumber(r), Anonymous: readNumber(r), Users: make(map[string]int)}
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		user := r.String()
		is.Users[user] = readNumber(r)
		r.Failed = r.Failed || user == "" // that would be anonymous
	}
	r.Failed = r.Failed || is.flags&^flagsKnown != 0
	is.Crowd, is.flags = is.flags&flagCrowd != 0, is.flags&^flagCrowd
	return is
}

func readNumber(r *fields.Reader) int {
	n := r.Uvarint()
	r.Failed = r.Failed || n > maxConnections
	return int(n)
}
