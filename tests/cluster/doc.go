// Package cluster tests servers that are nodes of one cluster, on real servers of NATS in this
// process: what one node publishes the clients of all receive, once and in order, and a client that
// loses its node recovers on another one.
package cluster
