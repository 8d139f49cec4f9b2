// Package swarm runs many clients, WebSockets or event streams, in a process of their own. For
// benchmarks: the cost of the clients is not counted as the server's.
//
//	func TestMain(m *testing.M) { swarm.Main(); os.Exit(m.Run()) }
//
//	s := swarm.Start(b, "ws://127.0.0.1:3000/", 1000)
//	for b.Loop() {
//		publish()
//		s.Await(1) // every client has one message more, in order
//	}
//
// The test binary starts itself again as the swarm. Messages that are counted
// begin with a number of 20 digits, see Number; each client checks that they
// rise by one.
package swarm
