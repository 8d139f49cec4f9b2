package certs

var (
	PairOf        = pairOf
	AuthoritiesIn = authoritiesIn
)
