// Socketio-go is the Socket.IO client of github.com/zishang520/socket.io, driven by lines as
// socketio.mjs is: each line of its input is an event to emit, in JSON, and each event of the socket
// a line of its output. Options: transports.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/zishang520/socket.io/clients/engine/v3/transports"
	client "github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

var (
	printing sync.Mutex
	out      = json.NewEncoder(os.Stdout)
)

func write(name string, args ...any) {
	printing.Lock()
	defer printing.Unlock()
	line := []any{name}
	for _, a := range args {
		switch v := a.(type) {
		case []byte:
			a = map[string]any{"bytes": v} // base64
		case error:
			a = v.Error()
		}
		line = append(line, a)
	}
	out.Encode(line)
}

// bytesOf returns what was received, with bytes in place of readers, which can be read once.
func bytesOf(args []any) []any {
	for i := range args {
		if r, is := args[i].(io.Reader); is {
			args[i], _ = io.ReadAll(r)
		}
	}
	return args
}

func read(a any) any {
	if m, is := a.(map[string]any); is {
		if text, is := m["bytes"].(string); is {
			b, _ := base64.StdEncoding.DecodeString(text)
			return b
		}
	}
	return a
}

func main() {
	var o struct{ Transports []string }
	if len(os.Args) > 2 {
		if err := json.Unmarshal([]byte(os.Args[2]), &o); err != nil {
			log.Fatal(err)
		}
	}
	options := client.DefaultOptions()
	options.SetReconnectionDelay(50)
	options.SetReconnectionDelayMax(200)
	// It begins to connect before it listens for the end of that (3.0.6). If it misses the end, it
	// tries again after this time.
	options.SetTimeout(2 * time.Second)
	switch {
	case slices.Contains(o.Transports, "websocket"):
		options.SetTransports(types.NewSet(transports.WebSocket))
	case slices.Contains(o.Transports, "polling"):
		options.SetTransports(types.NewSet(transports.Polling))
	}
	s, err := client.Connect(os.Args[1], options)
	if err != nil {
		log.Fatal(err)
	}
	watch(s)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var line []any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			log.Fatal(err)
		}
		for i := range line {
			line[i] = read(line[i])
		}
		name := line[0].(string)
		if name == "send" {
			s.Emit(line[1].(string), line[2:]...)
			continue
		}
		s.Timeout(10*time.Second).EmitWithAck(name, line[1:]...)(func(answer []any, err error) {
			if err != nil {
				answer = []any{err}
			}
			write("ack "+name, bytesOf(answer)...)
		})
	}
	s.Disconnect()
}

// watch prints the events of a socket, and answers those that want an ack.
func watch(s *client.Socket) {
	s.On("connect", func(...any) { write("connect", s.Id(), s.Recovered()) })
	s.On("disconnect", func(args ...any) { write("disconnect", fmt.Sprint(args[0]), s.Active()) })
	s.On("connect_error", func(args ...any) { write("connect_error", fmt.Sprint(args[0])) })
	s.Io().On("open", func(...any) {
		engine := s.Io().Engine()
		write("transport", engine.Transport().Name())
		engine.On("upgrade", func(...any) { write("transport", engine.Transport().Name()) })
	})
	s.OnAny(func(args ...any) {
		name := args[0].(string)
		var ack socket.Ack
		if f, is := args[len(args)-1].(socket.Ack); is {
			ack, args = f, args[:len(args)-1]
		}
		args = bytesOf(args[1:])
		write(name, args...)
		if ack != nil && name != "mute" {
			ack(args, nil)
		}
	})
}
