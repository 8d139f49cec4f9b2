package maru

import "fmt"

// Limits that more than one package holds a client to. Each stands here once, with its
// unit and the reason for its size; options of package server bound the rest.
const (
	// MaxHistoryPublications is the most publications that one request can ask for:
	// limit of a history, last of a subscription. It keeps one answer under
	// MaxHistoryPublications × the message limit.
	MaxHistoryPublications = 1000
	// DefaultHistoryPublications is what a history answers without a limit.
	DefaultHistoryPublications = 100

	// MinHz and MaxHz bound max_hz, in publications of a key a second. Below the first a
	// subscriber could not tell a slow channel from a broken one; above the second pacing
	// costs more than it saves.
	MinHz = 0.1
	MaxHz = 1000

	// MaxKeyBytes is the longest key of a publication.
	MaxKeyBytes = 255

	// MaxConflatedKeys is how many keys may wait for one subscriber of deliver=latest. A
	// subscriber with more is closed as slow.
	MaxConflatedKeys = 10_000
	// ConflationSlack is how many times the backlog's bytes may wait for one subscriber of
	// deliver=latest: what waits there is bounded by the channel's keys, not by how long
	// the subscriber does not read. Bound = ConflationSlack × BacklogBytes.
	ConflationSlack = 16

	// MaxInflight is how many publications and remote calls of one connection may be
	// under way at once. Beyond it the connection is not read until one is done.
	MaxInflight = 64
	// MaxQueuedCommands is how many commands of one connection may queue behind one that
	// waits. Beyond it the connection is not read until one is done.
	MaxQueuedCommands = 16
)

// CheckMaxHz says whether a subscriber may ask for that rate; 0 is no limit. The error's
// code is CodeBadRequest.
func CheckMaxHz(hz float64) error {
	if hz == 0 || hz >= MinHz && hz <= MaxHz {
		return nil
	}
	return NewError(CodeBadRequest, fmt.Sprintf("max_hz is a number from %v to %v", MinHz, MaxHz))
}
