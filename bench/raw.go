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
	"sync"
	"sync/atomic"
	"time"
)

// text is what every event carries.
var text = strings.Repeat("0123456789abcdef", bodySize/16)[:bodySize-128]

// sendRaw is the loop that a team would write: sign, post, look at the status. It retries nothing, logs nothing, and isolates
// nobody.
func sendRaw(ctx context.Context, url string, n int) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: senders},
		Timeout:   15 * time.Second,
	}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, senders)
	for range senders {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := post(ctx, client, url+"/hook", key, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func post(ctx context.Context, client *http.Client, url string, key []byte, i int64) error {
	id, now := "raw"+strconv.FormatInt(i, 10), time.Now()
	body := fmt.Appendf(nil, `{"type":"bench.sent","timestamp":%q,"data":{"n":%d,"text":%q}}`, now.UTC().Format("2006-01-02T15:04:05.000Z"), i, text)
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", timestamp)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%w: %d", errStatus, resp.StatusCode)
	}
	return nil
}
