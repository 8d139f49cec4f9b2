package loop

// opened takes a connection over.
func (l *Loop) opened(id connID, o *opening) {
	s := l.slab.slot(id)
	awaited := s.state&phaseAwaiting != 0
	s.fd, s.seen, s.pinged, s.links = int32(o.fd), l.clock.now, 0, 0
	s.state = phaseConnected | o.state() | s.state&(inUnread|inListed)
	r := l.slab.ref(id)
	r.handler, r.tls = o.handler, o.tls
	if awaited {
		l.arrived(id)
		l.dropSide(r)
		l.readOn(id, s)
	} else if !o.parked && !l.watch(id, o) {
		return
	}
	l.remember(id, o.params)
	l.expectLife(id, s, o)
	if len(o.params.Preface) > 0 {
		l.queue(id, s, o.params.Preface, 0)
	}
	if len(o.buffered) > 0 {
		l.receive(id, s, o)
	}
}

// watch begins the reading of the connection's socket, and reports whether it could.
func (l *Loop) watch(id connID, o *opening) bool {
	if o.nc != nil {
		l.newPipe(id, o.nc)
		return true
	}
	s := l.slab.slot(id)
	if err := l.poll.add(o.fd, id); err != nil {
		l.end(id, s, closed{code: closeAbnormal, err: err})
		return false
	}
	if o.tls != nil {
		l.in.list(id, s)
	}
	return true
}

// receive processes bytes that were read before the loop had the socket.
func (l *Loop) receive(id connID, s *slot, o *opening) {
	if s.state&inPaused != 0 {
		l.sideOf(id).held = o.buffered
		return
	}
	l.input(id, s, o.buffered)
}

// state is the part of a connection's state that is known before the loop takes it over.
func (o *opening) state() uint32 {
	state := uint32(o.params.Framing) & kindFraming
	for _, one := range [...]struct {
		on  bool
		bit uint32
	}{
		{o.params.Client, kindClient},
		{o.tls != nil, kindTLS},
		{o.params.Recovers, kindRecovers},
		{o.params.Compression.Takeover, kindTakesOver},
		{o.params.Held, outHeld},
		{o.params.Paused, inPaused},
		{o.parked, outParked},
	} {
		if one.on {
			state |= one.bit
		}
	}
	return state
}

// expectLife begins the timers for signs of life, ours and the peer's.
func (l *Loop) expectLife(id connID, s *slot, o *opening) {
	c := l.engine.clock
	if s.framing().heartbeats {
		s.pinged = l.clock.now
		if s.fd >= 0 {
			// There are no pings. A peer that has vanished acknowledges nothing.
			giveUp(int(s.fd), laneAge*l.engine.options.BacklogAge)
		}
	} else {
		l.lookAt(id, c.ping)
	}
	if _, gives := o.handler.(HeartbeatHandler); !gives {
		return
	}
	switch every := o.params.Heartbeat; {
	case every > 0:
		s.state |= kindHeartbeat
		l.lookAt(id, l.clock.setHeartbeat(id, c.pace(every)))
	case every == 0 && s.framing().heartbeats:
		s.state |= kindHeartbeat
		l.lookAt(id, c.heartbeat)
	}
}
