package main

import (
	"encoding/json"
	"log"
	"slices"
	"sync"

	"maru.example/maru/server"
	"maru.example/maru/socketio"
)

const (
	room         = "chat"
	mostMessages = 1000 // that are kept
)

// chat is what was said.
type chat struct {
	io *socketio.Server

	mu       sync.Mutex // held while emitting, so that all receive messages in one order
	messages []message  // with consecutive offsets
	last     int        // offset
}

type message struct {
	text, client string // client is the sender's own name for the message
	offset       int
}

func newChat() (*server.Server, error) {
	c := &chat{io: socketio.New(socketio.Options{Recovery: &socketio.Recovery{}})}
	c.io.OnConnection(func(s *socketio.Socket) {
		log.Println("a user connected")
		s.OnDisconnect(func(string) { log.Println("user disconnected") })
		s.On("chat message", func(text, client string, ack socketio.Ack) {
			c.say(text, client)
			ack()
		})
		if !s.Recovered() { // else it has its room, and what it missed
			c.catchUp(s)
		}
	})
	return server.New(server.Options{Loopback: true, Gateways: []server.Gateway{c.io.Gateway()}})
}

// say keeps a message and sends it to all, unless the client repeats it because the ack was lost.
func (c *chat) say(text, client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.messages, func(m message) bool { return m.client == client }) {
		return
	}
	c.last++
	c.messages = append(c.messages, message{text, client, c.last})
	c.messages = c.messages[max(0, len(c.messages)-mostMessages):]
	if err := c.io.To(room).Emit("chat message", text, c.last); err != nil {
		log.Println(err)
	}
}

// catchUp sends what the client does not have yet, and then all that comes.
func (c *chat) catchUp(s *socketio.Socket) {
	var auth struct{ ServerOffset int }
	if err := json.Unmarshal(s.Handshake().Auth, &auth); err != nil {
		log.Println("auth:", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.messages {
		if m.offset > auth.ServerOffset {
			s.Emit("chat message", m.text, m.offset)
		}
	}
	s.Join(room)
}
