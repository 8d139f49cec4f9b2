package maru

import (
	"fmt"
	"time"
)

// Limits that more than one package applies to a client. Each is defined here once, with its
// unit and the reason for its size; options of package server bound the rest.
const (
	// MaxHistoryPublications is the most publications that one request can ask for: limit of a
	// history, last of a subscription. It keeps one answer under MaxHistoryPublications × the
	// message limit.
	MaxHistoryPublications = 1000
	// DefaultHistoryPublications is the limit of a history request that has none.
	DefaultHistoryPublications = 100

	// MinHz and MaxHz bound max_hz, in publications of a key a second. Below MinHz a subscriber
	// cannot distinguish a slow channel from a broken one; above MaxHz pacing costs more than
	// it saves.
	MinHz = 0.1
	MaxHz = 1000

	// MaxKeyBytes is the maximum length of a publication's key.
	MaxKeyBytes = 255
	// MaxEventBytes is the maximum length of the name of a publication's event: that of all names.
	MaxEventBytes = 255

	// MaxConflatedKeys is how many keys may wait for one subscriber of deliver=latest. A
	// subscriber with more is closed as slow.
	MaxConflatedKeys = 10_000
	// ConflationSlack is how many times BacklogBytes may wait for one subscriber of
	// deliver=latest. Its backlog is bounded by the number of keys in the channel, not by
	// how long the subscriber does not read.
	ConflationSlack = 16

	// MaxInflight is how many publications of one connection may be in progress at once. Beyond
	// it the server stops reading the connection until one is done.
	MaxInflight = 64
	// MaxCalls is how many remote calls of one connection may be in progress at once. The next
	// one waits until one is done, and the commands after it wait behind it. The program works
	// on each in a goroutine, so that this bounds what one client can ask of it.
	MaxCalls = 16
	// MaxQueuedCommands is how many commands of one connection may queue behind one that waits.
	// Beyond it the server stops reading the connection until one is done.
	MaxQueuedCommands = 16
)

// Defaults of limits that options can change, where more than one package has the option:
// package server passes them to the engine, the hub and the API.
const (
	// DefaultMessageBytes is the size of a message, inflated, and of a published body.
	DefaultMessageBytes = 1 << 20

	// DefaultBacklogBytes, DefaultBacklogMessages and DefaultBacklogAge bound the queue of
	// a slow connection. 1 MiB is a second of a fast stream, and 30 s more than a phone
	// needs to change from one network to another.
	DefaultBacklogBytes    = 1 << 20
	DefaultBacklogMessages = 1000
	DefaultBacklogAge      = 30 * time.Second
	// BacklogShortage, a power of two, divides the bytes and messages of a backlog while memory
	// is short, and again for as long as it stays short.
	BacklogShortage = 8

	// DefaultPingInterval is the silence after which a peer is pinged: less than the 30 s
	// after which some proxies and mobile networks forget a connection.
	DefaultPingInterval = 25 * time.Second
	// DefaultPingTimeout is for any sign of life after that.
	DefaultPingTimeout = 10 * time.Second

	// DefaultPresenceGrace is for how long a person without a connection counts as present:
	// longer than the reload of a page takes.
	DefaultPresenceGrace = 5 * time.Second
	// DefaultPresenceNames is how many people presence names; of more it has the numbers only.
	DefaultPresenceNames = 200
)

// CheckMaxHz reports whether hz is a valid max_hz for a subscriber; 0 is no limit. The error's
// code is CodeBadRequest.
func CheckMaxHz(hz float64) error {
	if hz == 0 || hz >= MinHz && hz <= MaxHz {
		return nil
	}
	return NewError(CodeBadRequest, fmt.Sprintf("max_hz must be a number from %v to %v", MinHz, MaxHz))
}
