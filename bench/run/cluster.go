package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"maru.example/maru/ws"
)

// The servers of the part: one node without NATS is maru.
const (
	diskName   = "disk"
	r1Name     = "r1"
	r3Name     = "r3"
	syncedName = "r3-synced"
)

// nodesOfCluster is how many nodes of maru a cluster has here.
const nodesOfCluster = 3

// clusterPart is a cluster of three nodes beside one node.
func clusterPart() part {
	return part{
		name: "cluster", title: "Cluster", file: "results-cluster.json",
		contenders: clusterContenders(), scenarios: clusterScenarios(), goals: clusterGoals(),
		beside: []string{maruName, r1Name, r3Name}, against: []string{maruName}, plain: true,
		like: maruContender(),
	}
}

func clusterContenders() []contender {
	one, disk := maruContender(), maruContender()
	one.about = "one node, `maru serve`, in memory"
	disk.name, disk.about = diskName, "one node, `maru serve --data`, each publication synced"
	disk.begin = func(ctx context.Context, s settings, p programs, c scenario) (*world, error) {
		dir, err := os.MkdirTemp("", "maru-bench-data-")
		if err != nil {
			return nil, err
		}
		c.serve += " --data " + dir
		w, err := lone(ctx, s, p, c, disk)
		if w != nil {
			w.closed = append(w.closed, func() { os.RemoveAll(dir) })
		}
		return w, err
	}
	return []contender{
		one, disk,
		cluster(r1Name, "three nodes, one server of NATS", natsCluster{servers: 1}),
		cluster(r3Name, "three nodes, three servers of NATS, three replicas", natsCluster{servers: 3}),
		cluster(syncedName, "the same, with `sync_interval: always`", natsCluster{servers: 3, synced: true}),
	}
}

func cluster(name, about string, n natsCluster) contender {
	c := maruContender()
	c.name, c.about, c.collects = name, about, false
	c.begin = func(ctx context.Context, s settings, p programs, scene scenario) (*world, error) {
		return n.world(ctx, s, p, scene)
	}
	c.needs = []string{natsModule}
	return c
}

// world starts the servers of NATS, and the nodes. The first node owns the channels; the measured one
// is the first, or, where publications cross to it, the second.
func (n natsCluster) world(ctx context.Context, s settings, p programs, c scenario) (w *world, err error) {
	w = new(world)
	urls, err := n.start(ctx, s, p, w)
	if err != nil {
		return w, err
	}
	var addresses []string
	for i := range nodesOfCluster {
		listen, err := freeAddress()
		if err != nil {
			return w, err
		}
		measured := i == 0 && !c.crosses || i == 1 && c.crosses
		core := s.cores[1]
		if measured {
			core = s.cores[0]
		}
		node, err := begin(ctx, core, []string{
			p.file("maru"), "serve", "--listen", listen, "--nats", strings.Join(urls, ","), "--nats-replicas", strconv.Itoa(n.servers)})
		if err != nil {
			return w, err
		}
		if measured {
			w.server, w.listen = node, listen
		} else {
			w.nodes = append(w.nodes, node)
		}
		if err := node.listens(ctx, listen); err != nil {
			return w, err
		}
		if addresses = append(addresses, listen); i == 0 { // it becomes the owner
			if err := published(ctx, listen); err != nil {
				node.kill() // then it writes nothing more
				return w, fmt.Errorf("%w; it wrote: %s", err, node.said)
			}
		}
	}
	w.post = addresses[0]
	return w, w.follow(ctx, addresses[1:][:c.elsewhere])
}

// channelPath is the channel of these measurements.
const channelPath = "/channels/bench-0"

// published waits until a publication is accepted.
func published(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := post(ctx, "http://"+address+channelPath)
		if err == nil {
			return nil
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("no publication is accepted: %w", err)
		}
	}
}

func post(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("begin"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/plain")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s", answer.Status, text)
	}
	return nil
}

// follow subscribes to the channel on each node.
func (w *world) follow(ctx context.Context, addresses []string) error {
	for _, address := range addresses {
		c, err := ws.Dial(ctx, "ws://"+address+channelPath, ws.DialOptions{})
		if err != nil {
			return err
		}
		w.closed = append(w.closed, func() { c.Terminate() })
	}
	return nil
}

func clusterScenarios() []scenario {
	all := []string{maruName, r1Name, r3Name}
	stored := []string{maruName, diskName, r1Name, r3Name, syncedName}
	across := []string{r1Name, r3Name}
	fanout := []figure{cpu, user, rate, last50, last99, nodes, nats}
	publish := []figure{p50, p99, rate, total, cpu, nodes, nats}
	cost := []figure{total, cpu, nodes, nats}
	scenes := []scenario{
		{name: "cluster-fanout", title: "Fan-out to 1,000 on another node than the publisher's, one message at a time", command: "fanout", args: "--connections 1000 --window 1", crosses: true, only: all, figures: fanout},
		{name: "cluster-fanout16", title: "Fan-out to 1,000 on another node, up to 16 messages on the way", command: "fanout", args: "--connections 1000 --window 16", crosses: true, only: all, figures: fanout},
		{name: "cluster-fanout10k", title: "Fan-out to 10,000 on another node, one message at a time", command: "fanout", args: "--connections 10000 --window 1", crosses: true, only: all, figures: fanout},
	}
	for _, n := range []int{1, 16, 64} {
		scenes = append(scenes, scenario{
			name: fmt.Sprint("cluster-publish", n), title: fmt.Sprintf("Publishing, %d at a time, no subscribers", n),
			command: "publish", args: fmt.Sprint("--connections ", n), scheme: "http", only: stored, figures: publish})
	}
	for _, n := range []int{1, 16} {
		for k := range 3 {
			scenes = append(scenes, scenario{
				name: fmt.Sprintf("cluster-cross%d-%d", n, k), title: fmt.Sprintf("A publication, %s, %d at a time", []string{"no subscriber elsewhere", "a subscriber on another node", "a subscriber on each of two other nodes"}[k], n),
				command: "publish", args: fmt.Sprint("--connections ", n), scheme: "http", elsewhere: k, only: across, figures: cost})
		}
	}
	for i := range scenes {
		if scenes[i].mode = "fanout"; scenes[i].crosses {
			scenes[i].args += " --publish-url http://{post}" + channelPath
		}
	}
	return scenes
}

func clusterGoals() (all []goal) {
	for _, of := range []string{r1Name, r3Name} {
		for _, scene := range []struct{ name, title string }{
			{"cluster-fanout", "1,000, one at a time"}, {"cluster-fanout16", "1,000, up to 16 on the way"}, {"cluster-fanout10k", "10,000, one at a time"},
		} {
			all = append(all, goal{of + ": CPU of a delivery on another node to " + scene.title + ", µs", of, scene.name, cpu, entry{scene.name, maruName}, 1.10, false})
		}
	}
	return all
}
