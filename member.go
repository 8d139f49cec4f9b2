package maru

import (
	"context"
	"time"
)

// A Membership is a Broker that stores on several machines, and knows which. A server answers
// GET /admin/cluster and POST /admin/cluster/remove with it. Both methods are safe for concurrent use.
type Membership interface {
	// Members returns the machines that have copies, in the order of names. Errors: CodeUnavailable
	// while there is no majority; ctx's error.
	Members(ctx context.Context) ([]Member, error)
	// RemoveMember removes a machine for good, dead or alive: others get its copies, if there are
	// enough. One that is alive first gives them away, which takes as long as they are large; it cannot
	// return with what it has stored. Errors: CodeNotFound for an unknown name; CodeBadRequest if too
	// few would be left; CodeUnavailable while there is no majority; ctx's error.
	RemoveMember(ctx context.Context, name string) error
}

// A Member is a machine of a Membership.
type Member struct {
	Name    string        // it never changes
	This    bool          // the machine that was asked
	Leads   bool          // it decides about the members
	Away    bool          // it does not answer
	Current bool          // it has everything that the leader has decided
	Silent  time.Duration // since when it has said nothing; 0 for the one that leads
}
