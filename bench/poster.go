package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A poster signs in the way of Standard Webhooks, and posts with net/http.
type poster struct {
	client *http.Client
	key    []byte
}

// newPoster returns a poster that keeps a connection to each endpoint for each of n requests.
func newPoster(n int, at addresses) (*poster, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, err
	}
	sessions := tls.NewLRUClientSessionCache(2 * hosts.Tenants)
	return &poster{key: key, client: &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: n,
			TLSClientConfig:     &tls.Config{RootCAs: at.roots(), ClientSessionCache: sessions, MinVersion: tls.VersionTLS12},
		},
		Timeout: 15 * time.Second,
	}}, nil
}

func encode(at time.Time, data []byte) []byte {
	return fmt.Appendf(make([]byte, 0, 2*bodySize), `{"type":%q,"timestamp":%q,"data":%s}`, eventType, at.UTC().Format("2006-01-02T15:04:05.000Z"), data)
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
