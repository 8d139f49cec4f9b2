// Inmemory is the smallest program on package server: its size is what the server costs.
package main

import (
	"log"
	"net/http"

	"maru.example/maru/server"
)

func main() {
	live, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", live))
}
