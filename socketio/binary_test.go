package socketio_test

import (
	"testing"

	"maru.example/maru/socketio"
)

type photo struct {
	Name  string   `json:"name"`
	Data  []byte   `json:"data"`
	Sizes [][]byte `json:"sizes,omitempty"`
}

// Bytes inside of objects are attachments in both directions, in events and acks, as npm socket.io has
// it for Buffers.
func TestBytesInsideObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{Failed: func(s *socketio.Socket, event string, err error) { s.Emit("failed", event) }})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("struct", func(p photo) { s.Emit("struct", p) })
		s.On("any", func(v map[string]any, n int, ack socketio.Ack) { ack(v, n) })
		s.On("arg", func(a, b socketio.Arg) { s.Emit("arg", b, []byte("own"), a) })
		s.On("args", func(all socketio.Args) {
			s.Emit("args", all, map[string]any{"last": &all[len(all)-1], "none": socketio.Arg{}})
		})
		s.On("variadic", func(all ...any) { w.io.Emit("variadic", all...) })
		s.On("text", func(text map[string]string) {})
	})
	c := w.connected()
	const one, two = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`
	for _, says := range [][]string{
		{`451-["struct",{"name":"n","data":` + one + `}]`, "b:x"},
		{`452-["struct",{"name":"n","data":` + one + `,"sizes":[` + two + `,` + one + `]}]`, "b:x", "b:y"},
		{`452-7["any",{"a":{"b":[` + one + `]},"c":` + two + `},5]`, "b:x", "b:"},
		{`452-["arg",{"a":` + two + `},` + one + `]`, "b:x", "b:y"},
		{`452-["args",1,"t",{"a":` + two + `},` + one + `]`, "b:x", "b:y"},
		{`42["args",true]`},
		{`452-["variadic",1,[` + one + `],` + two + `]`, "b:x", "b:y"},
		{`451-["text",{"a":` + one + `}]`, "b:x"},
		{`451-["struct",{"data":` + two + `}]`, "b:x"},
		{`42["struct",{"name":"","data":"QQ=="}]`},
		{`42["any",{"a":` + one + `}]`},
	} {
		c.says(says...)
	}
	c.wants(`451-["struct",{"name":"n","data":`+one+`}]`, "b:x")
	c.wants(`453-["struct",{"name":"n","data":`+one+`,"sizes":[`+two+`,{"_placeholder":true,"num":2}]}]`, "b:x", "b:y", "b:x")
	c.wants(`462-7[{"a":{"b":[`+one+`]},"c":`+two+`},5]`, "b:x", "b:")
	c.wants(`453-["arg",`+one+`,`+two+`,{"a":{"_placeholder":true,"num":2}}]`, "b:x", "b:own", "b:y")
	const three = `{"_placeholder":true,"num":2}`
	c.wants(`453-["args",[1,"t",{"a":`+one+`},`+two+`],{"last":`+three+`,"none":null}]`, "b:y", "b:x", "b:x")
	c.wants(`42["args",[true],{"last":true,"none":null}]`)
	c.wants(`452-["variadic",1,[`+one+`],`+two+`]`, "b:x", "b:y")
	c.wants(`42["failed","text"]`, `42["failed","struct"]`)
	c.wants(`451-["struct",{"name":"","data":`+one+`}]`, "b:A")
	if err := w.io.Emit("many", make([]photo, 200), make([][]byte, 200)); err != nil {
		t.Error(err) // nil slices are null
	}
	c.wants(`42["many",…`)
	many := make([][]byte, 129)
	for i := range many {
		many[i] = []byte{1}
	}
	if err := w.io.Emit("many", many); err == nil {
		t.Error("129 attachments were sent")
	}
}
