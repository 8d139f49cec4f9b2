package client_test

import (
	"context"
	"sync"
	"testing"

	"maru.example/maru/client"
	"maru.example/maru/server"
)

// The cost of one publication in the client, before the program receives it.
func BenchmarkParse(b *testing.B) {
	push := []byte(`{"channel":"quotes","publication":{"offset":812,"kind":"json","data":{"symbol":"MOON","name":"Moon Jar Potters","price":148.25,"change":0.25,"volume":1029},"key":"MOON","time":"2026-01-02T03:04:05.678901234Z"}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(push)))
	for b.Loop() {
		if err := client.Parse(push); err != nil {
			b.Fatal(err)
		}
	}
}

// All the way from a server in this program, which works as much as the client does.
func BenchmarkReceive(b *testing.B) {
	live, addr, _ := serve(b, server.Options{})
	c := dial(b, "http://"+addr, client.Options{})
	s := subscribe(b, c, "a", client.SubscribeOptions{})
	next[*client.Subscribed](b, s)
	var publishing sync.WaitGroup
	ahead := make(chan struct{}, 500) // less than the queue: it never rests
	b.ReportAllocs()
	b.ResetTimer()
	publishing.Go(func() {
		for range b.N {
			ahead <- struct{}{}
			live.Publish(context.Background(), "a", text("a message of some words, as people write them"))
		}
	})
	for range b.N {
		next[*client.Publication](b, s)
		<-ahead
	}
	publishing.Wait()
}
