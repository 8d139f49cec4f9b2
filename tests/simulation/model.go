package simulation

import "time"

// A Load is what a cluster has to do, with one busy namespace.
type Load struct {
	Nodes     int     // of maru
	Following int     // of these: how many have subscribers of the channel of a publication
	Channels  int     // that a node follows
	Busy      int     // channels with a publication in a second, of all nodes
	Name      int     // bytes of a channel's name
	Rate      float64 // publications a second
	Bytes     int     // of data in a publication
	Ordered   int     // nodes with clients that have one position of several channels: Socket.IO
	Elsewhere float64 // the share of publications that do not begin on the node that owns the namespace
}

// The bytes of a message beside the data: NATS's line and its CRLF, ids, the epoch, numbers, a time.
// They are for a name of nine letters and the prefix maru; a longer name adds 4/3 of what it is longer.
const (
	appendRoom, appendAnswer = 210, 89
	submitRoom, submitAnswer = 82, 93
	carriageRoom             = 67
	beatRoom, beatAnswer     = 88, 83
	beatSeen                 = 113
	aliveRoom                = 55
	indexRoom                = 73
	compareRoom, comparePer  = 152, 14
	noteRoom, noteAnswer     = 244, 87
	headsRoom, headsAnswer   = 200, 81
	headsPer                 = 18
	pingRoom                 = 6
)

// compareAtOnce is how many channels are in one question, and comparedInABeat in those of a second.
const compareAtOnce, comparedInABeat = 1000, 10_000

// PerSecond returns what the load costs NATS in a second, by class. Assumptions:
//
//   - Publications begin on all nodes alike, as Elsewhere says, and are spread evenly over channels.
//   - Nodes follow equally many channels. So the owner, which needs no message for its own subscribers,
//     follows the channel of a publication as often as any node does.
//   - Each publication is retained and has no idempotency key. None is lost on the way.
//   - Publications come one by one. Those that come at once share an index.
//   - The beat has its default, one second.
func (l Load) PerSecond() (c Costs) {
	n, k, data := float64(l.Nodes), float64(l.Following), float64(l.Bytes)
	others := n - 1
	c[Append] = Cost{1, 1, data + appendRoom, appendAnswer}.times(l.Rate)
	c[Submit] = Cost{2, 2, data + submitRoom + submitAnswer, data + submitRoom + submitAnswer}.times(l.Rate * l.Elsewhere)
	carried := k * others / n
	c[Carriage] = Cost{1, carried, data + carriageRoom, carried * (data + carriageRoom)}.times(l.Rate)
	indexed := float64(l.Ordered) * others / n
	c[Index] = Cost{1, indexed, indexRoom, indexed * indexRoom}.times(l.Rate)
	c[Beat] = Cost{n, n + n*n, n * beatRoom, n*beatAnswer + n*n*beatSeen}
	c[Alive] = Cost{n, n * others, n * aliveRoom, n * others * aliveRoom}
	compared := min(l.Channels, comparedInABeat)
	questions := float64((compared + compareAtOnce - 1) / compareAtOnce)
	bytes := questions*compareRoom + float64(compared*(l.Name+comparePer))
	c[Compare] = Cost{2 * questions, 2 * questions, bytes, bytes}.times(others)
	c[Note] = Cost{1, 1, noteRoom, noteAnswer}
	c[Heads] = Cost{1, 1, headsRoom + float64(headsPer*l.Busy), headsAnswer}
	c[Other] = Cost{1, 1, pingRoom, pingRoom}.times(n)
	return c
}

// Latency returns the time from a publication to its last subscriber on other nodes, for a one-way
// delay between each node and NATS: of one that begins on the owner, and of one that does not. It has
// the ways only: to the stream and back, and to the nodes. With replicas, the stream's leader adds the
// way to the second of its followers and back. Processors and disks take the rest.
func Latency(delay time.Duration) (owner, elsewhere time.Duration) {
	return 4 * delay, 6 * delay
}

// Announcements returns what nodes say to each other about rates and addresses in a second, if each has
// something to say in each quarter of a second. The simulation has no servers, so it is not counted there.
func Announcements(nodes, bytes int) Cost {
	n, each := float64(nodes), float64(bytes)
	return Cost{4 * n, 4 * n * (n - 1), 4 * n * each, 4 * n * (n - 1) * each}
}
