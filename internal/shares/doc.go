// Package shares divides a maximum that belongs to all callers: one caller holds at most half of
// it, so that nobody locks the others out.
//
//	connections := shares.New(100_000, "connections", log)
//	err := connections.Take(shares.Address(addr), 1)   // ErrShare, ErrFull
//	connections.Give(shares.Address(addr), 1)          // once for each Take
//
// A caller is a person, an API key, or an address; of IPv6 the first 64 bits are one address,
// because a customer gets that many.
//
// A Shares has a fixed size, 24 KiB, however many callers there are: it keeps a count-min sketch
// and no entry for a caller. The sketch never counts a caller too low, so nobody exceeds the half.
// It could count a caller too high, and refuse it early, only if its name collided with those of
// large holders in each of three rows: with two such holders the chance is below one in 10^8, and
// the hash has a random key.
//
// Everything is safe for concurrent use. A Shares holds its lock for a few instructions.
//
// The package does not decide what a caller is: package auth does.
package shares
