package brokertest

import "maru.example/maru"

// reportRules are about interfaces that a broker need not have. One that has them must
// report what is true.
var reportRules = []rule{
	{"what is held is counted, if it is reported", ample, held},
	{"a broker in order reports no failure, if it reports any", ample, healthy},
}

// Held counts the publications of all namespaces, and at least the bytes of their data. It
// may be asked for after Close too.
func held(r *rig) {
	reporter, ok := r.broker.(maru.HeldReporter)
	if !ok {
		return
	}
	for _, channel := range []string{"a", "a", "b", "x:a"} {
		r.publish(channel, "1234567890")
	}
	r.publishWith("a", text("typing"), maru.PublishOptions{Transient: true})
	if got := reporter.Held(); got.Channels < 3 || got.Publications != 4 || got.Bytes < 40 {
		r.Errorf("held %+v, want 4 publications of 40 bytes or more in 3 channels", got)
	}
	r.close()
	reporter.Held()
}

// A server shows the error of Err to its operator: there must be none without a reason.
func healthy(r *rig) {
	reporter, ok := r.broker.(maru.HealthReporter)
	if !ok {
		return
	}
	r.publish("a", "x")
	if err := reporter.Err(); err != nil {
		r.Errorf("Err: %v", err)
	}
	r.close()
	reporter.Err()
}
