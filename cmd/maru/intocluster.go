package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/cluster"
	"maru.example/maru/broker/disk"
)

// intoCluster makes the source the first history of a cluster.
func (c *restoreCmd) intoCluster(ctx context.Context, s *surroundings) error {
	var to *cluster.Restorer
	p := &restoreProgress{out: s.stderr, screen: isScreen(s.stderr), begun: time.Now()}
	skipped, err := disk.Read(ctx, c.Source, disk.Contents{
		Namespaces: func(names []string) (err error) {
			to, err = c.open(ctx, names)
			return err
		},
		Publication: func(channel string, m *maru.Publication, version uint64) error {
			p.count(len(m.Data))
			return to.Publish(channel, m, version)
		},
		Record: func(kind, key string, value []byte, until time.Time) error {
			p.records++
			return to.Keep(ctx, kind, key, value, until)
		},
	})
	switch {
	case err == nil:
		err = to.Finish(ctx)
	case to != nil:
		to.Abort()
		err = fmt.Errorf("%w; give --again for another try", err)
	}
	p.end()
	if err != nil {
		return fmt.Errorf("restore %s: %w", c.Source, err)
	}
	fmt.Fprintf(s.stdout, "the cluster has %d publications and %d records of sessions, tickets and revocations\n", p.publications, p.records)
	if skipped.Publications+skipped.Records > 0 {
		fmt.Fprintf(s.stdout, "left out, because they are damaged: %d publications, %d records (maru verify names them)\n", skipped.Publications, skipped.Records)
	}
	return nil
}

// restoreProgress is shown on a terminal.
type restoreProgress struct {
	out    io.Writer
	screen bool
	begun  time.Time
	shown  time.Time

	publications, records int
	bytes                 int64
}

const progressEvery = 200 * time.Millisecond

func (p *restoreProgress) count(bytes int) {
	p.publications++
	p.bytes += int64(bytes)
	if now := time.Now(); p.screen && now.Sub(p.shown) >= progressEvery {
		p.shown = now
		fmt.Fprintf(p.out, "%s%d publications, %.1f MB, %v", clearLine, p.publications, float64(p.bytes)/1e6, now.Sub(p.begun).Truncate(time.Second))
	}
}

func (p *restoreProgress) end() {
	if p.screen {
		fmt.Fprint(p.out, clearLine)
	}
}
