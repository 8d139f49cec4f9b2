package cluster_test

import (
	"context"
	"fmt"
	"log"

	"maru.example/maru"
	"maru.example/maru/broker/cluster"
	"maru.example/maru/server"
)

// Each process that runs this is a node of the cluster: all have the same channels.
func ExampleJoin() {
	nats := cluster.Servers{URLs: []string{"tls://nats.example.com"}, CredentialsFile: "/etc/myprogram/nats.creds"}
	live, err := server.New(server.Options{Broker: cluster.Join(nats, cluster.Options{Name: "orders"})})
	if err != nil {
		log.Fatal(err) // it names the server and the cause
	}
	defer live.Shutdown(context.Background())

	at, err := live.Publish(context.Background(), "orders:1", &maru.Publication{Data: []byte("shipped")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("published at", at)
}
