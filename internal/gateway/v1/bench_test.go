package v1_test

import (
	"testing"

	"maru.example/maru/internal/gateway/v1"
)

// BenchmarkDecode is on the path of each command.
func BenchmarkDecode(b *testing.B) {
	for name, message := range map[string]string{
		"publish text":   `{"id":2,"publish":{"channel":"quotes","data":"hello world"}}`,
		"publish json":   `{"id":4,"publish":{"channel":"chat:room-17","data":{"symbol":"AAPL","price":123.45,"list":[1,2,3,4]},"kind":"json","key":"AAPL","idempotency_key":"k3k4k5-1"}}`,
		"publish binary": `{"id":4,"publish":{"channel":"chat","data":"AAECAwQFBgcICQoLDA0ODw==","kind":"binary"}}`,
		"publish loose":  `{"id":4,"publish":{"channel":"chat","data":{"a":1,"a":2}}}`,
		"subscribe":      `{"id":2,"subscribe":{"channel":"quotes","since":"k3f9:812","deliver":"latest","max_hz":5,"presence":true}}`,
		"ping":           `{"id":9,"ping":{}}`,
		"invalid":        `{"id":4,"subscribe":{"channel":"a","sincee":"1"}}`,
	} {
		data := []byte(message)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c, err := v1.Decode(true, data); c == nil {
					b.Fatal(err)
				}
			}
		})
	}
}
