package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A ServerGroup asks and changes servers of NATS, over a connection of their system account.
type ServerGroup struct {
	Conn     *nats.Conn
	This     string // the name of the server of this process
	Replicas int    // as many copies are made
}

var (
	errNoMajority = maru.NewError(maru.CodeUnavailable, "no majority of the cluster answers; start the nodes that are away")
	errNoMember   = maru.NewError(maru.CodeNotFound, "the cluster has no node of this name; maru cluster status lists them")
	errLastCopy   = maru.NewError(maru.CodeBadRequest, "no other node is there for the copies of this one: start a new node first, then remove this one")
	errTooFewLeft = maru.NewError(maru.CodeBadRequest, "too few of the other nodes are there and have read everything to be a majority without this one; see maru cluster status, and try again")
)

// awayAfter is how long a server may be silent: it answers the leader once a second.
const awayAfter = 10 * time.Second

// metaInfo is what the leader answers about JetStream.
type metaInfo struct {
	Server struct {
		Name string `json:"name"`
	} `json:"server"`
	Data struct {
		Streams int `json:"streams"`
		Meta    struct {
			Replicas []struct {
				Name    string        `json:"name"`
				Peer    string        `json:"peer"`
				Current bool          `json:"current"`
				Offline bool          `json:"offline"`
				Active  time.Duration `json:"active"`
			} `json:"replicas"`
		} `json:"meta_cluster"`
	} `json:"data"`
}

// Members implements maru.Membership.
func (g *ServerGroup) Members(ctx context.Context) ([]maru.Member, error) {
	all, _, err := g.members(ctx)
	if err != nil {
		return nil, err
	}
	well, err := g.well(ctx, len(all))
	for i := range all {
		all[i].Current = all[i].Current && well[all[i].Name]
	}
	return all, err
}

// serverHealth is what a server says about itself. One that has not read all of a stream is not well: it may
// have acknowledged what comes after it.
type serverHealth struct {
	Server struct {
		Name string `json:"name"`
	} `json:"server"`
	Data struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	} `json:"data"`
}

// healthTime is how long all servers have to answer.
const healthTime = time.Second

// well returns the names of the servers that are well, of n.
func (g *ServerGroup) well(ctx context.Context, n int) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	inbox := g.Conn.NewInbox()
	answers, err := g.Conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer answers.Unsubscribe()
	if err := g.Conn.PublishRequest("$SYS.REQ.SERVER.PING.HEALTHZ", inbox, nil); err != nil {
		return nil, err
	}
	well := make(map[string]bool)
	for range n {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			break // one is away
		}
		var h serverHealth
		if err := json.Unmarshal(m.Data, &h); err != nil {
			return nil, err
		}
		well[h.Server.Name] = h.Data.Status == "ok"
	}
	return well, nil
}

// Behind says what a server, by its id, has not yet read; nil: it has everything.
func (g *ServerGroup) Behind(ctx context.Context, id string) error {
	var h serverHealth
	if err := g.ask(ctx, "$SYS.REQ.SERVER."+id+".HEALTHZ", nil, &h); err != nil {
		return err
	}
	if h.Data.Status != "ok" {
		return errors.New(cmp.Or(h.Data.Error, h.Data.Status))
	}
	return nil
}

// members returns also the ids that NATS has for the names; the leader's is not known.
func (g *ServerGroup) members(ctx context.Context) (all []maru.Member, ids map[string]string, err error) {
	var info metaInfo
	if err := g.ask(ctx, "$SYS.REQ.SERVER.PING.JSZ", map[string]any{"leader_only": true}, &info); err != nil {
		return nil, nil, err
	}
	all = []maru.Member{{Name: info.Server.Name, This: info.Server.Name == g.This, Leads: true, Current: true}}
	ids = make(map[string]string)
	for _, r := range info.Data.Meta.Replicas {
		if strings.Contains(r.Name, " ") { // NATS says that it has not seen it since the start
			r.Name = r.Peer
		}
		// A leader that has never heard of a server says 0.
		away := r.Offline || r.Active > awayAfter || r.Active == 0 && !r.Current
		all = append(all, maru.Member{Name: r.Name, This: r.Name == g.This, Away: away, Current: r.Current && !away, Silent: r.Active})
		ids[r.Name] = r.Peer
	}
	slices.SortFunc(all, func(a, b maru.Member) int { return cmp.Compare(a.Name, b.Name) })
	return all, ids, nil
}

// RemoveMember implements maru.Membership.
func (g *ServerGroup) RemoveMember(ctx context.Context, name string) error {
	_, ids, err := g.members(ctx)
	if err != nil {
		return err
	}
	all, err := g.Members(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(m maru.Member) bool { return m.Name == name })
	if i < 0 {
		return errNoMember
	}
	if len(all) <= g.Replicas {
		return errLastCopy
	}
	if err := enoughWithout(all, i); err != nil {
		return err
	}
	if !all[i].Away {
		if err := g.evacuate(ctx, name); err != nil {
			return fmt.Errorf("node %s gives away its copies: %w", name, err)
		}
	}
	if all[i].Leads {
		if err := g.stepDown(ctx, name); err != nil {
			return err
		}
	}
	return g.api(ctx, "$JS.API.SERVER.REMOVE", name, ids[name])
}

// stepDown waits until another server leads: one that removes itself would end before the others know.
func (g *ServerGroup) stepDown(ctx context.Context, name string) error {
	if err := g.api(ctx, "$JS.API.META.LEADER.STEPDOWN", "", ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, electionTime, errNoMajority)
	defer cancel()
	for ctx.Err() == nil {
		soon, cancel := context.WithTimeout(ctx, evacuatePause)
		all, _, err := g.members(soon) // nobody answers while there is no leader
		<-soon.Done()
		cancel()
		if err == nil && !slices.ContainsFunc(all, func(m maru.Member) bool { return m.Name == name && m.Leads }) {
			return nil
		}
	}
	return context.Cause(ctx)
}

// electionTime is above what servers need to agree on a leader.
const electionTime = 30 * time.Second

// enoughWithout refuses to remove member i if no majority would be left.
func enoughWithout(all []maru.Member, i int) error {
	left := 0
	for j, m := range all {
		if j != i && m.Current {
			left++
		}
	}
	if n := len(all) - 1; left <= n/2 {
		return errTooFewLeft
	}
	return nil
}

// evacuatePause is between two looks at what a server still has, or leads.
const evacuatePause = 500 * time.Millisecond

// evacuate moves all copies of a server to others, and waits for that.
func (g *ServerGroup) evacuate(ctx context.Context, name string) error {
	if err := g.api(ctx, "$JS.API.SERVER.EVACUATE", name, ""); err != nil {
		return err
	}
	for {
		var info metaInfo
		if err := g.ask(ctx, "$SYS.REQ.SERVER.PING.JSZ", map[string]any{"server_name": name}, &info); err != nil {
			return err
		}
		if info.Data.Streams == 0 {
			return nil
		}
		select {
		case <-time.After(evacuatePause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// api changes something about a server.
func (g *ServerGroup) api(ctx context.Context, subject, name, id string) error {
	var a answer
	var question any // none: the request has no body
	if name != "" {
		question = map[string]string{"peer": name, "peer_id": id}
	}
	err := g.ask(ctx, subject, question, &a)
	switch {
	case err != nil:
		return err
	case a.Error != nil && a.Error.ErrorCode == notMember:
		return errNoMember
	case a.Error != nil:
		return maru.NewError(maru.CodeUnavailable, "the cluster cannot do this now: "+a.Error.Description)
	}
	return nil
}

// notMember is "server is not a member of the cluster" of NATS.
const notMember jetstream.ErrorCode = 10044

func (g *ServerGroup) ask(ctx context.Context, subject string, question, to any) error {
	limited, cancel := short(ctx)
	defer cancel()
	var data []byte
	var err error
	if question != nil {
		if data, err = json.Marshal(question); err != nil {
			return err
		}
	}
	m, err := g.Conn.RequestWithContext(limited, subject, data)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrConnectionClosed):
		return errNoMajority
	case err != nil:
		return err
	}
	return json.Unmarshal(m.Data, to)
}
