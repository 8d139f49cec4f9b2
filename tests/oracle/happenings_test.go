package oracle

import (
	"fmt"
	"math/rand/v2"
)

// happenings are what happens to a cluster: each begins, and the function that it returns ends it.
var happenings = []struct {
	name  string
	begin func(c *world, chance *rand.Rand) (what string, end func())
}{
	{"node killed", func(c *world, chance *rand.Rand) (string, func()) {
		i := chance.IntN(len(c.nodes))
		c.nodes[i].Kill(c.t)
		return fmt.Sprintf("node %d is killed", i), func() { c.nodes[i].start(c.t) }
	}},
	{"NATS killed", func(c *world, chance *rand.Rand) (string, func()) {
		i := chance.IntN(len(c.nats))
		c.nats[i].Kill(c.t)
		return fmt.Sprintf("NATS %d is killed", i), func() { c.nats[i].start(c.t) }
	}},
	{"node cut off", func(c *world, chance *rand.Rand) (string, func()) {
		i := chance.IntN(len(c.nodes))
		return cut(fmt.Sprintf("node %d from NATS", i), c.nodes[i].cables, chance)
	}},
	{"one cable cut", func(c *world, chance *rand.Rand) (string, func()) {
		i, j := chance.IntN(len(c.nodes)), chance.IntN(len(c.nats))
		return cut(fmt.Sprintf("node %d from NATS %d", i, j), []*cable{c.nodes[i].cables[j]}, chance)
	}},
	{"NATS cut off", func(c *world, chance *rand.Rand) (string, func()) {
		i := chance.IntN(len(c.nats))
		return cut(fmt.Sprintf("NATS %d from NATS", i), c.routesOf(i), chance)
	}},
	{"host cut off", func(c *world, chance *rand.Rand) (string, func()) {
		i := chance.IntN(len(c.nats))
		all := c.routesOf(i)
		for j := range c.nodes {
			if j != i {
				all = append(all, c.nodes[i].cables[j], c.nodes[j].cables[i])
			}
		}
		return cut(fmt.Sprintf("node %d and NATS %[1]d from all others", i), all, chance)
	}},
}

// routesOf are the cables between a server of NATS and the others.
func (c *world) routesOf(i int) (all []*cable) {
	for j := range c.nats {
		if j != i {
			all = append(all, c.routes[i][j], c.routes[j][i])
		}
	}
	return all
}

// cut cuts cables, or lets all on them stand still.
func cut(what string, all []*cable, chance *rand.Rand) (string, func()) {
	do, how := (*cable).breaks, "is cut"
	if chance.IntN(2) == 0 {
		do, how = (*cable).stands, "stands still"
	}
	for _, one := range all {
		do(one)
	}
	return fmt.Sprint("what leads from ", what, " ", how), func() {
		for _, one := range all {
			one.mend()
		}
	}
}
