package history

import (
	"crypto/rand"
	"strings"
)

// epochLength gives 50 random bits: enough that no two lives of a history share an epoch, and
// short, because the epoch is part of each position.
const epochLength = 10

// NewEpoch returns a new epoch: 10 lower-case letters and digits.
func NewEpoch() string { return strings.ToLower(rand.Text()[:epochLength]) }
