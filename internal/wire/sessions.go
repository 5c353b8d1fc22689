package wire

import (
	"container/list"
	"crypto/tls"
	"sync"
)

// The sessions let a new connection of an owner begin without a full
// handshake. Each has the owner and the place in its key, because a receiver
// recognizes a session: two owners must not look alike to it, and none may
// be let in with the certificate of another. The least recently used go.
type sessions struct {
	max int

	mu     sync.Mutex
	byKey  map[sessionKey]*list.Element
	recent list.List // of *session, the most recently used first
}

type sessionKey struct {
	owner Owner
	to    place
	name  string // as crypto/tls calls it
}

type session struct {
	key   sessionKey
	state *tls.ClientSessionState
}

// of returns the sessions of an owner, or nil. VerifyPeerCertificate is not
// called for a resumed session, so with it every handshake is a full one.
func (s *sessions) of(h *home, to place, config *tls.Config) tls.ClientSessionCache {
	if h == nil || config.VerifyPeerCertificate != nil {
		return nil
	}
	owner := Owner{Tenant: h.key.tenant, Endpoint: h.key.endpoint, Version: h.version}
	return &ownSessions{of: s, owner: owner, to: to}
}

// ownSessions are the sessions of one owner at one place.
type ownSessions struct {
	of    *sessions
	owner Owner
	to    place
}

// Get implements [tls.ClientSessionCache].
func (o *ownSessions) Get(name string) (*tls.ClientSessionState, bool) {
	s := o.of
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[sessionKey{o.owner, o.to, name}]
	if e == nil {
		return nil, false
	}
	s.recent.MoveToFront(e)
	return e.Value.(*session).state, true
}

// Put implements [tls.ClientSessionCache]. A nil state removes one.
func (o *ownSessions) Put(name string, state *tls.ClientSessionState) {
	s, key := o.of, sessionKey{o.owner, o.to, name}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	switch {
	case e != nil && state != nil:
		e.Value.(*session).state = state
		s.recent.MoveToFront(e)
	case e != nil:
		s.remove(e)
	case state != nil && s.max > 0:
		if s.byKey == nil {
			s.byKey = make(map[sessionKey]*list.Element)
		}
		s.byKey[key] = s.recent.PushFront(&session{key, state})
		if s.recent.Len() > s.max {
			s.remove(s.recent.Back())
		}
	}
}

// remove takes a session out; mu is held.
func (s *sessions) remove(e *list.Element) {
	delete(s.byKey, e.Value.(*session).key)
	s.recent.Remove(e)
}
