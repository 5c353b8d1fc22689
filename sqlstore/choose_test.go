package sqlstore

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
)

func TestAClaimChoosesWithinItsRoomsAndItsBudget(t *testing.T) {
	lane := func(n byte) uuid.UUID { return uuid.UUID{15: n} }
	event := func(name byte) uuid.UUID { return uuid.UUID{0: name} }
	type found struct {
		event byte
		lane  byte // also its place among the lanes
		due   int64
		size  int64
	}
	abc := []found{{'a', 0, 1, 10}, {'b', 0, 2, 10}, {'c', 1, 1, 10}}
	for _, c := range []struct {
		name       string
		found      []found
		rooms      []int
		deliveries int
		bytes      int
		earlier    string // events that the Claim has chosen before
		chosen     string // events
		fuller     []byte
		passed     int
	}{
		{name: "all", found: abc, rooms: []int{5, 5}, deliveries: 10, bytes: 100, chosen: "abc", passed: 2},
		{name: "nothing found", rooms: []int{5, 5}, deliveries: 10, bytes: 100, passed: 2},
		{
			name: "the longest due first", found: []found{{'c', 1, 1, 1}, {'b', 0, 2, 1}, {'a', 0, 1, 1}}, rooms: []int{5, 5},
			deliveries: 10, bytes: 100, chosen: "abc", passed: 2,
		},
		{
			name: "a lane has more than its room", found: abc, rooms: []int{1, 5}, deliveries: 10, bytes: 100, chosen: "ac",
			fuller: []byte{0}, passed: 2,
		},
		{name: "the lanes after the last delivery wait", found: abc, rooms: []int{5, 5}, deliveries: 2, bytes: 100, chosen: "ab", fuller: []byte{1}, passed: 1},
		{name: "the last lane has its turn too", found: abc, rooms: []int{1, 5}, deliveries: 2, bytes: 100, chosen: "ac", fuller: []byte{0}, passed: 2},
		{name: "closed lanes before the last delivery have had their turn", found: []found{{'a', 2, 1, 1}}, rooms: []int{0, 0, 5, 0}, deliveries: 1, bytes: 100, chosen: "a", passed: 3},
		{name: "a delivery that does not fit", found: abc, rooms: []int{5, 5}, deliveries: 10, bytes: 19, chosen: "a", fuller: []byte{0}, passed: 0},
		{name: "a lane that does not fit", found: abc, rooms: []int{5, 5}, deliveries: 10, bytes: 20, chosen: "ab", fuller: []byte{1}, passed: 1},
		{name: "the first delivery fits always", found: abc, rooms: []int{5, 5}, deliveries: 10, bytes: 1, chosen: "a", fuller: []byte{0}, passed: 0},
		{name: "but not after others", found: abc, rooms: []int{5, 5}, deliveries: 10, bytes: 1, earlier: "z", fuller: []byte{0}, passed: 0},
		{
			name: "an event counts once", found: []found{{'a', 0, 1, 10}, {'a', 1, 1, 10}, {'a', 2, 1, 10}, {'b', 2, 2, 10}}, rooms: []int{5, 5, 5},
			deliveries: 10, bytes: 10, chosen: "aaa", fuller: []byte{2}, passed: 2,
		},
		{name: "also over several calls", found: abc, rooms: []int{5, 5}, deliveries: 10, bytes: 20, earlier: "b", chosen: "abc", passed: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := budget{deliveries: c.deliveries, bytes: c.bytes, events: make(map[uuid.UUID]bool)}
			for _, name := range []byte(c.earlier) {
				b.events[event(name)] = true
			}
			picks := make([]pick, len(c.found))
			for i, f := range c.found {
				picks[i] = pick{queueRow: queueRow{rowKey: rowKey{uid: event(f.event)}, ref: lane(f.lane), dueAt: f.due, size: f.size}, order: int(f.lane)}
			}
			stops := make([]stop, len(c.rooms))
			for i, room := range c.rooms {
				stops[i].room = room
			}
			got := b.choose(picks, stops)
			names := ""
			for _, p := range got.picks {
				names += string(p.uid[0])
			}
			var fuller []byte
			for _, ref := range got.fuller {
				fuller = append(fuller, ref[15])
			}
			assert.Equal(t, c.chosen, names)
			assert.Equal(t, c.fuller, fuller, "lanes that have more")
			assert.Equal(t, c.passed, got.passed, "lanes that have had their turn")
			assert.Equal(t, c.deliveries-len(names), b.deliveries)
		})
	}
}
