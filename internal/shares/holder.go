package shares

import (
	"hash/maphash"
	"net/netip"
)

// Holder is a caller as Shares count it: 30 bits, so that it finds room in a connection. Its value
// has a meaning within this process only. The zero Holder is exempt: it may hold everything.
type Holder uint32

// HolderBits is the size of a Holder.
const HolderBits = 30

const (
	rows       = 3
	columnBits = HolderBits / rows
	columns    = 1 << columnBits
)

var seed = maphash.MakeSeed()

// Person returns the Holder of somebody whose name the operator vouches for.
func Person(name string) Holder { return holder("u" + name) }

// APIKey returns the Holder of a back end.
func APIKey(id string) Holder { return holder("k" + id) }

// Address returns the Holder of everybody at an address: see Block. That of an invalid address is
// exempt.
func Address(a netip.Addr) Holder {
	if !a.IsValid() {
		return 0
	}
	block := Block(a).As16()
	return Holder(max(1, maphash.Bytes(seed, block[:])>>(64-HolderBits)))
}

func holder(name string) Holder {
	return Holder(max(1, maphash.String(seed, name)>>(64-HolderBits)))
}

// column returns where the holder is counted in a row.
func (h Holder) column(row int) int { return int(h>>(row*columnBits)) % columns }

// Block returns the block that counts as one address: of IPv6 the first 64 bits. IPv4 is never
// mapped, and there is no zone.
func Block(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // fails only beyond 128 bits
		return p.Addr()
	}
	return a
}
