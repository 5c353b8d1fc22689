package wire

// An idleList has the connections without a request, in the order in which
// their last requests ended. The connections hold the links.
type idleList struct {
	oldest, newest *conn
	len            int
}

// push adds a connection as the newest.
func (l *idleList) push(c *conn) {
	c.older, c.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = c
	} else {
		l.oldest = c
	}
	l.newest = c
	l.len++
}

// remove takes out a connection of the list.
func (l *idleList) remove(c *conn) {
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		l.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		l.newest = c.older
	}
	c.older, c.newer = nil, nil
	l.len--
}
