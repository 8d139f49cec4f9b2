package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/server"
)

// The program subscribes, publishes, and receives its own publication.
func Example() {
	ctx := context.Background()
	live, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Shutdown(ctx)
	site := httptest.NewServer(live)
	defer site.Close()

	c, err := client.Dial(ctx, site.URL, client.Options{Name: "example"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	orders, err := c.Subscribe("orders", client.SubscribeOptions{Last: 20})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range orders.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case *client.Subscribed:
			// The reply is there when the publication has its place.
			if _, err := c.Publish(ctx, "orders", &maru.Publication{Data: []byte("order 17 is paid")}); err != nil {
				log.Fatal(err)
			}
		case *client.Publication:
			fmt.Printf("%d %s\n", e.Offset, e.Data)
			orders.Unsubscribe() // ends the loop
		case *client.Gap:
			fmt.Println("missing:", e.From, "to", e.To)
		}
	}
	// Output: 1 order 17 is paid
}

// A program that stores the position with its results continues from there after a restart.
func ExampleSubscription_Position() {
	ctx := context.Background()
	live, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Shutdown(ctx)
	site := httptest.NewServer(live)
	defer site.Close()

	var kept maru.Position // on disk
	for _, order := range []string{"tea", "rice"} {
		if _, err := live.Publish(ctx, "orders", &maru.Publication{Data: []byte(order)}); err != nil {
			log.Fatal(err)
		}
		c, err := client.New(site.URL, client.Options{})
		if err != nil {
			log.Fatal(err)
		}
		orders, err := c.Subscribe("orders", client.SubscribeOptions{Since: &kept})
		if err != nil {
			log.Fatal(err)
		}
		for event, err := range orders.All(ctx) {
			if err != nil {
				log.Fatal(err)
			}
			if p, ok := event.(*client.Publication); ok {
				fmt.Printf("%s\n", p.Data)
				kept = orders.Position()
				break
			}
		}
		c.Close()
	}
	// Output:
	// tea
	// rice
}
