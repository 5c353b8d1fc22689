package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A rawPeer is the loop that a team would write: sign, post, look at the status. It retries nothing, logs nothing, and isolates
// nobody.
type rawPeer struct {
	*poster
	done      *ledger
	endpoints []endpoint
	past      []endpoint
	fanout    int
}

func openRaw(s *spec, done *ledger) (*rawPeer, error) {
	p, err := newPoster(senders)
	return &rawPeer{
		poster: p, done: done, endpoints: s.Layout.endpoints(s.Receiver), past: []endpoint{pastEndpoint(s.Receiver)}, fanout: s.Layout.Fanout,
	}, err
}

func (*rawPeer) begin(context.Context) error { return nil }

func (p *rawPeer) emit(ctx context.Context, e event) error {
	now := time.Now()
	body := encode(eventType, now, e.Data)
	endpoints := p.past
	if e.Tenant != toThePast {
		endpoints = p.endpoints[e.Tenant*p.fanout:][:p.fanout]
	}
	for _, to := range endpoints {
		status, err := p.post(ctx, to.URL, "raw"+strconv.Itoa(e.N), now, body)
		if err != nil {
			return err
		}
		if status != http.StatusNoContent {
			return fmt.Errorf("unexpected status %d", status)
		}
		p.done.add(1)
	}
	return nil
}

func (*rawPeer) stored(context.Context) error        { return nil }
func (*rawPeer) finish(context.Context) error        { return nil }
func (*rawPeer) statements() int64                   { return -1 }
func (*rawPeer) logged(context.Context) (int, error) { return -1, nil }

// A poster signs as Standard Webhooks says, and posts.
type poster struct {
	client *http.Client
	key    []byte
}

// newPoster returns a poster for so many requests at once: as many connections are kept.
func newPoster(atOnce int) (*poster, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, err
	}
	return &poster{key: key, client: &http.Client{
		Transport: &http.Transport{MaxIdleConns: atOnce, MaxIdleConnsPerHost: atOnce},
		Timeout:   15 * time.Second,
	}}, nil
}

func encode(typ string, at time.Time, data []byte) []byte {
	return fmt.Appendf(make([]byte, 0, 2*bodySize), `{"type":%q,"timestamp":%q,"data":%s}`, typ, at.UTC().Format("2006-01-02T15:04:05.000Z"), data)
}

func (p *poster) post(ctx context.Context, url, id string, now time.Time, body []byte) (status int, err error) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", timestamp)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 16<<10))
	_ = resp.Body.Close()
	return resp.StatusCode, err
}
