package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

const (
	// packetAsked is the size of an event from which MySQL is asked for the largest statement
	// it takes. Every server takes smaller events.
	packetAsked = 256 << 10

	// packetRest is the size of a statement besides the event's own bytes.
	packetRest = 64 << 10

	packetTimeout = time.Second
)

// oversized returns an error for each event that makes a larger statement than MySQL takes, or
// nil if there are none. The server would close the connection, and the other events in the
// statement would fail too. asks uses the caller's transaction. If it is nil, oversized uses a
// connection of the Store.
func (s *Store) oversized(ctx context.Context, asks ask, events []webhook.EventRecord) map[int]error {
	if s.dialect.packetLimit == "" {
		return nil
	}
	var refused map[int]error
	for i := range events {
		r := &events[i]
		n := 2 * len(r.Data) // the data is written in hexadecimal
		for name, value := range r.Header {
			n += 4 * (len(name) + len(value))
		}
		if n < packetAsked {
			continue
		}
		if most := s.maxPacket(ctx, asks); most > 0 && int64(n+packetRest) > most {
			if refused == nil {
				refused = make(map[int]error)
			}
			refused[i] = fmt.Errorf("the event has %d bytes of data, which do not fit into one statement: the server's max_allowed_packet is %d; "+
				"raise it, or lower Config.MaxEventBytes", len(r.Data), most)
		}
	}
	return refused
}

// maxPacket returns the server's max_allowed_packet, and asks for it once.
func (s *Store) maxPacket(ctx context.Context, asks ask) int64 {
	if known := s.packet.Load(); known > 0 {
		return known
	}
	if asks == nil {
		asks = s.askPool
	}
	var most int64
	if asks(ctx, s.dialect.packetLimit, &most) != nil {
		return 0
	}
	s.packet.Store(most)
	return most
}

// askPool is an [ask] on a connection of the Store.
func (s *Store) askPool(ctx context.Context, query string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, packetTimeout)
	defer cancel()
	conn, err := s.db.ConnectReader(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.QueryRowContext(ctx, query).Scan(into)
}
