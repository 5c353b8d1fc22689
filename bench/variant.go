package main

import "strings"

// Stores of the peers. The loop has none.
const (
	storePostgres = "postgres"
	storeMariaDB  = "mariadb"
	storeSQLite   = "sqlite"
	storeMemory   = "memory"
)

// A variant is the part of one peer in a scenario.
type variant struct {
	peer, name, store string

	dataset   dataset
	load      load // of no events if the dataset has them
	processes int  // senders; zero means one
	expect    int  // deliveries to endpoints that answer
	closes    bool // the receiver closes each connection after a response
}

// of returns a copy of v for a peer and a store.
func (v variant) of(peer, name, store string) variant {
	v.peer, v.name, v.store = peer, name, store
	return v
}

// label names the variant in reports.
func (v *variant) label(scenario string) string {
	return strings.TrimSpace(scenario + " " + v.peer + " " + v.name)
}

// durable reports whether the peer has a database.
func (v *variant) durable() bool { return v.store != "" && v.store != storeMemory }
