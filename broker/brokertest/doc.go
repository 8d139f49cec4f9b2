// Package brokertest is the specification of maru.Broker as a test: whoever
// writes a broker runs it, and whoever wants to know what a broker promises
// reads its cases, each of which explains one rule.
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t *testing.T, limits brokertest.Limits, sink maru.Sink) maru.Broker {
//			return mybroker.New(mybroker.Options{MaxAge: limits.MaxAge, ..., Sink: sink})
//		})
//	}
//
// It sees a broker through maru.Broker alone. order.go has the cases about
// numbers and delivery, retention.go those about what is kept, query.go those
// about what is answered, gaps.go those about what is told to be missing,
// refusals.go those about what fails, repeats.go those about what is taken once, or not
// kept; model.go compares a long random life of a
// broker with a slow and obvious one.
//
// Time passes in a testing/synctest bubble. A broker that cannot live in one,
// because it does I/O, is run with RealTime: then ageing is tested only to happen
// at last, not to the moment.
package brokertest
