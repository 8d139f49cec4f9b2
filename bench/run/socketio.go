package main

// The servers of Socket.IO, beside maru's own.
const (
	rawName        = "raw"
	packageName    = "socketio-go"
	npmName        = "socketio"
	roomsMode      = "rooms"
	fromWebSocket  = "websocket"
	fromPolling    = "polling"
	socketIOPath   = "/socket.io/"
	joinRoom       = `42["join","bench-{g}"]`
	sayInRoom      = `42["say","bench-{g}","{payload}"]`
	subscribe      = `42["subscribe","bench-{g}"]`
	publish        = `42["publish","bench-{g}","{payload}"]`
	settleForJoins = "1s"
)

// socketIOPart is Socket.IO on maru beside npm's, and beside raw channels of maru.
func socketIOPart() part {
	servers := socketIOContenders()
	return part{
		name: "socketio", title: "Socket.IO", file: "results-socketio.json",
		remark:     "Raw is maru itself, with the same traffic on raw WebSockets: it shows the cost of the protocol.",
		contenders: servers, scenarios: socketIOScenarios(), goals: socketIOGoals(),
		beside: []string{maruName, packageName, rawName, npmName}, against: []string{rawName, npmName},
		like: servers[len(servers)-1],
	}
}

func socketIOContenders() []contender {
	raw := maruContender()
	raw.name, raw.about = rawName, "`maru serve`, channels with history, raw WebSockets"
	maru := maruContender()
	maru.about = "`maru serve`, channels with history, Socket.IO clients that subscribe and publish"
	maru.path, maru.socketIO = socketIOPath, true
	maru.greeting = []string{"--first-message", subscribe, "--settle", settleForJoins}
	maru.messages = []string{"--message", publish}
	program := goPeer(packageName, "package `socketio`, rooms", "maru.example/maru")
	program.version = maruVersion
	npm := nodePeer(npmName, "npm Socket.IO, rooms", "socket.io")
	for _, c := range []*contender{&program, &npm} {
		c.path, c.socketIO = socketIOPath, true
		c.greeting = []string{"--first-message", joinRoom, "--settle", settleForJoins}
		c.messages = []string{"--message", sayInRoom}
	}
	return []contender{maru, raw, program, npm}
}

func socketIOScenarios() []scenario {
	fanout := []figure{cpu, user, rate, p50, p99}
	connect := []figure{cpu, user, rate, p99}
	idle := []figure{memory, open, opening}
	return []scenario{
		{name: "socketio-idle", title: "Memory of 19,000 idle Socket.IO clients", command: "idle", args: "--connections 19000", mode: roomsMode, by: fromWebSocket, apart: true, collects: true, duration: standFor, figures: idle},
		{name: "socketio-joined", title: "Memory of 19,000 idle Socket.IO clients, each in a channel or room", command: "idle", args: "--connections 19000", mode: roomsMode, by: fromWebSocket, only: []string{maruName, packageName}, collects: true, duration: standFor, figures: idle},
		{name: "socketio-fanout", title: "Fan-out to 1,000 Socket.IO clients, one message at a time", command: "fanout", args: "--connections 1000 --window 1", mode: roomsMode, by: fromWebSocket, figures: fanout},
		{name: "socketio-fanout10k", title: "Fan-out to 10,000 Socket.IO clients, one message at a time", command: "fanout", args: "--connections 10000 --window 1", mode: roomsMode, by: fromWebSocket, figures: fanout},
		{name: "socketio-rooms", title: "1,000 rooms of 10 Socket.IO clients, up to 16 messages on the way", command: "fanout", args: "--connections 10000 --groups 1000 --window 16", mode: roomsMode, by: fromWebSocket, figures: fanout},
		{name: "socketio-connect", title: "Socket.IO clients connect by WebSocket, and close; 64 at a time", command: "connect", args: "--connections 64", mode: roomsMode, by: fromWebSocket, figures: connect},
		{name: "socketio-polling", title: "Socket.IO clients connect by polling, upgrade, and close; 256 at a time", command: "connect", args: "--connections 256", mode: roomsMode, by: fromPolling, only: []string{maruName, packageName, npmName}, figures: connect},
	}
}

// socketIOGoals are the same for maru serve and for programs with package socketio, except that of
// memory: a socket of the package also keeps its handlers and the headers of its request, as npm's.
func socketIOGoals() []goal {
	var all []goal
	for _, of := range []struct{ server, title string }{{maruName, "maru serve"}, {packageName, "package socketio"}} {
		add := func(title, scenario string, f figure, over string, most float64) {
			g := goal{title: of.title + ": " + title, of: of.server, scenario: scenario, figure: f, most: most}
			if over != "" {
				g.over = entry{scenario, over}
			}
			all = append(all, g)
		}
		if of.server == maruName {
			add("memory of an idle client by WebSocket, bytes", "socketio-idle", memory, "", 600)
		}
		add("CPU of a delivery to 1,000, one at a time, µs", "socketio-fanout", cpu, rawName, 1.1)
		add("CPU of a delivery to 10,000, one at a time, µs", "socketio-fanout10k", cpu, rawName, 1.1)
		add("CPU of a delivery in 1,000 rooms of 10, µs", "socketio-rooms", cpu, rawName, 1.2)
		add("CPU to connect by WebSocket, µs", "socketio-connect", cpu, rawName, 1.5)
		add("CPU to connect by polling with upgrade, µs", "socketio-polling", cpu, npmName, 0.25)
	}
	return all
}
