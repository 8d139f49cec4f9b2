// Package brokertest is the contract of maru.Broker as a test suite. The author of a broker
// runs it, as the example of Run shows. A reader who wants to know what a broker guarantees
// reads its cases, each of which explains one rule.
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
//			return mybroker.New(o.Retention, o.Sink)
//		})
//	}
//
// The suite uses a broker through maru.Broker and, if the broker has them,
// maru.HeldReporter and maru.HealthReporter.
//
//	order.go      numbers and delivery
//	retention.go  what is kept
//	query.go      what History returns
//	gaps.go       what is reported as missing
//	refusals.go   what fails
//	repeats.go    what is accepted once, and what is not kept
//	reports.go    what a broker may report of itself
//	model.go      a long random series of calls, compared with a slow and obvious broker
//
// Time passes in a testing/synctest bubble. A broker that does I/O cannot run in one: it
// is run with RealTime, which tests that publications become too old, but not when exactly.
package brokertest
