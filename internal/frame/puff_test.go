package frame_test

import "errors"

// puff is DEFLATE (RFC 1951) in its plainest form, a bit at a time: the oracle
// for Inflate, and the witness of how far back Deflate refers.

var errPuff = errors.New("puff: not DEFLATE")

type puff struct {
	in          []byte
	bit         int // of in, the next
	out         []byte
	base        int // where in out the data set begins
	maxDistance int
	limit       int // of out, about
}

// puffMessage inflates a compressed message to the letter of RFC 7692 §7.2.2:
// with the tail appended it must be whole blocks, up to the last byte. It gives
// up beyond limit.
func puffMessage(payload []byte, limit int) (out []byte, maxDistance int, err error) {
	z := &puff{in: append(append([]byte(nil), payload...), 0, 0, 0xff, 0xff), limit: limit}
	defer func() {
		switch r := recover(); r {
		case nil, errPuff:
			out, maxDistance = z.out, z.maxDistance
			if r != nil {
				err = errPuff
			}
		default:
			panic(r)
		}
	}()
	for z.bit < 8*len(z.in) {
		final := z.bits(1)
		switch z.bits(2) {
		case 0:
			z.stored()
		case 1:
			z.compressed(fixedLiterals, fixedDistances)
		case 2:
			z.dynamic()
		default:
			panic(errPuff)
		}
		if final == 1 {
			z.align()
			z.base = len(z.out)
		}
	}
	return
}

func (z *puff) bits(n int) (v int) {
	for i := range n {
		if z.bit >= 8*len(z.in) {
			panic(errPuff)
		}
		v |= int(z.in[z.bit/8]>>(z.bit%8)&1) << i
		z.bit++
	}
	return v
}

func (z *puff) align() { z.bit = (z.bit + 7) &^ 7 }

func (z *puff) stored() {
	z.align()
	n, complement := z.bits(16), z.bits(16)
	if n != ^complement&0xffff {
		panic(errPuff)
	}
	for range n {
		z.out = append(z.out, byte(z.bits(8)))
	}
}

// huffman is a code in its canonical order (RFC 1951 §3.2.2).
type huffman struct {
	count   [16]int // symbols of each length
	symbols []int   // by length, then by number
}

func newHuffman(lengths []int) (h huffman) {
	left, longest := 1<<15, 0
	for length := 1; length <= 15; length++ {
		for symbol, l := range lengths {
			if l == length {
				h.count[length]++
				h.symbols = append(h.symbols, symbol)
				left -= 1 << (15 - length)
				longest = length
			}
		}
	}
	// Complete, or empty, or a single code of one bit.
	if left != 0 && longest != 0 && !(len(h.symbols) == 1 && longest == 1) {
		panic(errPuff)
	}
	return h
}

func (z *puff) symbol(h huffman) int {
	code, first, index := 0, 0, 0 // first: the first code of this length; index: where its symbol is
	for length := 1; length <= 15; length++ {
		code |= z.bits(1)
		if code < first+h.count[length] {
			return h.symbols[index+code-first]
		}
		index += h.count[length]
		first = (first + h.count[length]) << 1
		code <<= 1
	}
	panic(errPuff)
}

var (
	fixedLiterals, fixedDistances = func() (huffman, huffman) {
		lengths := make([]int, 288)
		for i := range lengths {
			switch {
			case i < 144:
				lengths[i] = 8
			case i < 256:
				lengths[i] = 9
			case i < 280:
				lengths[i] = 7
			default:
				lengths[i] = 8
			}
		}
		distances := make([]int, 32)
		for i := range distances {
			distances[i] = 5
		}
		return newHuffman(lengths), newHuffman(distances)
	}()
	lengthBase    = []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra   = []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase  = []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = []int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	metaOrder     = []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

func (z *puff) compressed(literals, distances huffman) {
	for {
		if len(z.out) > z.limit {
			panic(errPuff)
		}
		symbol := z.symbol(literals)
		switch {
		case symbol < 256:
			z.out = append(z.out, byte(symbol))
			continue
		case symbol == 256:
			return
		}
		if symbol -= 257; symbol >= len(lengthBase) {
			panic(errPuff)
		}
		length := lengthBase[symbol] + z.bits(lengthExtra[symbol])
		if symbol = z.symbol(distances); symbol >= len(distanceBase) {
			panic(errPuff)
		}
		distance := distanceBase[symbol] + z.bits(distanceExtra[symbol])
		if distance > len(z.out)-z.base {
			panic(errPuff)
		}
		z.maxDistance = max(z.maxDistance, distance)
		for range length {
			z.out = append(z.out, z.out[len(z.out)-distance])
		}
	}
}

func (z *puff) dynamic() {
	nLiterals, nDistances, nMeta := z.bits(5)+257, z.bits(5)+1, z.bits(4)+4
	if nLiterals > 286 || nDistances > 30 {
		panic(errPuff)
	}
	meta := make([]int, 19)
	for _, i := range metaOrder[:nMeta] {
		meta[i] = z.bits(3)
	}
	h := newHuffman(meta)
	var lengths []int
	for len(lengths) < nLiterals+nDistances {
		symbol, repeat, value := z.symbol(h), 1, 0
		switch symbol {
		case 16:
			if len(lengths) == 0 {
				panic(errPuff)
			}
			value, repeat = lengths[len(lengths)-1], 3+z.bits(2)
		case 17:
			repeat = 3 + z.bits(3)
		case 18:
			repeat = 11 + z.bits(7)
		default:
			value = symbol
		}
		for range repeat {
			lengths = append(lengths, value)
		}
	}
	if len(lengths) > nLiterals+nDistances {
		panic(errPuff)
	}
	z.compressed(newHuffman(lengths[:nLiterals]), newHuffman(lengths[nLiterals:]))
}
