package settings

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"maru.example/maru/internal/fields"
)

// A Setting has a Value that the hash hides, or, if it is Ordered, a Number that is sent as it is.
type Setting struct {
	Name    string
	Value   string
	Ordered bool
	Number  uint64
}

// A List is the settings of a server, each name once, in any order.
type List []Setting

// A Difference is a setting that two servers have differently.
type Difference struct {
	Name         string
	Ordered      bool
	Ours, Theirs uint64 // of an ordered one: of the server that asks, and of the one that answers
}

// Other is what a server answers.
type Other struct {
	Host        string // what the server calls itself
	Differences []Difference
}

// A question is:
//
//	format 1 · nonce (16) · (name · kind · number, or hash (8)) …
//
// and its answer:
//
//	format 1 · host · (name · kind · (ours · theirs)) …
const (
	format     = 1
	kindHidden = 0
	kindNumber = 1

	// NonceBytes is the length of the key of the hashes. It is random, and new for each comparison.
	NonceBytes = 16
	hashBytes  = 8

	// maxQuestion is about how many bytes a question has.
	maxQuestion = 128 << 10
)

var errDamaged = errors.New("settings: not a question or an answer of this version")

func hash(nonce []byte, name, value string) []byte {
	h := hmac.New(sha256.New, nonce)
	h.Write(fields.AppendString(nil, name))
	h.Write([]byte(value))
	return h.Sum(nil)[:hashBytes]
}

// Questions are messages with all settings. nonce has NonceBytes.
func (l List) Questions(nonce []byte) (all [][]byte) {
	begin := append([]byte{format}, nonce...)
	q := slices.Clone(begin)
	for _, s := range l {
		if len(q) >= maxQuestion {
			all, q = append(all, q), slices.Clone(begin)
		}
		q = fields.AppendString(q, s.Name)
		if s.Ordered {
			q = binary.AppendUvarint(append(q, kindNumber), s.Number)
		} else {
			q = append(append(q, kindHidden), hash(nonce, s.Name, s.Value)...)
		}
	}
	return append(all, q)
}

// Answer is the answer of a server that has the settings l, and is called host.
func (l List) Answer(question []byte, host string) ([]byte, error) {
	known := make(map[string]Setting, len(l))
	for _, s := range l {
		known[s.Name] = s
	}
	r := fields.Reader{Rest: question}
	if r.Byte() != format {
		return nil, errDamaged
	}
	nonce := r.Bytes(NonceBytes)
	answer := fields.AppendString([]byte{format}, host)
	for len(r.Rest) > 0 {
		name := r.String()
		switch r.Byte() {
		case kindNumber:
			n := r.Uvarint()
			if s, ok := known[name]; ok && s.Ordered && s.Number != n && !r.Failed {
				answer = binary.AppendUvarint(binary.AppendUvarint(append(fields.AppendString(answer, name), kindNumber), n), s.Number)
			}
		case kindHidden:
			h := r.Bytes(hashBytes)
			if s, ok := known[name]; ok && !s.Ordered && !r.Failed && !hmac.Equal(h, hash(nonce, name, s.Value)) {
				answer = append(fields.AppendString(answer, name), kindHidden)
			}
		default:
			return nil, errDamaged
		}
	}
	if r.Failed {
		return nil, errDamaged
	}
	return answer, nil
}

// ParseAnswer reads what Answer made. The differences are in the order of names.
func ParseAnswer(answer []byte) (o Other, err error) {
	r := fields.Reader{Rest: answer}
	if r.Byte() != format {
		return o, errDamaged
	}
	o.Host = r.String()
	for len(r.Rest) > 0 {
		d := Difference{Name: r.String()}
		switch r.Byte() {
		case kindNumber:
			d.Ordered, d.Ours, d.Theirs = true, r.Uvarint(), r.Uvarint()
		case kindHidden:
		default:
			return Other{}, errDamaged
		}
		o.Differences = append(o.Differences, d)
	}
	if r.Failed {
		return Other{}, errDamaged
	}
	slices.SortFunc(o.Differences, func(a, b Difference) int { return cmp.Compare(a.Name, b.Name) })
	return o, nil
}
