package disk_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"maru.example/maru"
	"maru.example/maru/broker/disk"
	"maru.example/maru/server"
)

// A server that keeps its histories in a directory goes on after a restart.
func ExampleDir() {
	dir, err := os.MkdirTemp("", "maru-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	for _, text := range []string{"before the restart", "after the restart"} {
		live, err := server.New(server.Options{Open: true, Broker: disk.Dir(dir)})
		if err != nil {
			log.Fatal(err)
		}
		at, err := live.Publish(context.Background(), "orders", &maru.Publication{Data: []byte(text)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(at.Offset, text)
		if err := live.Shutdown(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 1 before the restart
	// 2 after the restart
}
