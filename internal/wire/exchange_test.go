package wire

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALittleRestOfABodyIsReadForTheConnectionsSake(t *testing.T) {
	counted := func(n int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("b", n))
	}
	chunked := func(n int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("b", n))
	}
	const read = 100
	for n, kept := range map[int]bool{
		read + 1: true, read + maxDrainBytes - 1: true, read + maxDrainBytes: true, read + maxDrainBytes + 1: false, 1 << 20: false,
	} {
		for _, reply := range []func(int) string{counted, chunked} {
			client, memory := inMemory(t, always(reply(n)))
			for range 2 {
				resp, err := client.Do(t.Context(), request(t, "http://a.example/", one, "{}"))
				require.NoError(t, err)
				_, err = io.ReadFull(resp.Body, make([]byte, read))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.NoError(t, resp.Body.Close())
				_, err = resp.Body.Read(make([]byte, 1))
				require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
			}
			assert.Equal(t, kept, memory.conns.Load() == 1, "%d bytes", n)
			assert.Equal(t, kept, client.Open() == 1, "%d bytes", n)
		}
	}
}

func TestARestThatDoesNotComeAtOnceIsNotWaitedFor(t *testing.T) {
	for pause, kept := range map[time.Duration]bool{
		0: true, maxDrainTime - time.Millisecond: true, maxDrainTime + time.Millisecond: false, time.Hour: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			client, _ := inMemory(t, func(p *peer) {
				p.request()
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndone")
				time.Sleep(pause) //nolint:forbidigo // in fake time
				p.say("more")
				p.wait()
			})
			resp, err := client.Do(t.Context(), request(t, "http://a.example/", one, "{}"))
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, 4))
			require.NoError(t, err)
			began := time.Now()
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, min(pause, maxDrainTime), time.Since(began))
			assert.Equal(t, kept, client.Open() == 1, pause)
			client.CloseIdle()
			assert.Zero(t, client.Open())
		})
	}
}

func TestALargeRestIsNotWaitedFor(t *testing.T) {
	for length, want := range map[int]time.Duration{4 + maxDrainBytes: maxDrainTime, 4 + maxDrainBytes + 1: 0} {
		synctest.Test(t, func(t *testing.T) {
			client, _ := inMemory(t, func(p *peer) {
				p.request()
				p.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\ndone", length))
				p.wait()
			})
			resp, err := client.Do(t.Context(), request(t, "http://a.example/", one, "{}"))
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, 4))
			require.NoError(t, err)
			began := time.Now()
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, want, time.Since(began))
			assert.Zero(t, client.Open())
		})
	}
}

func TestAConnectionWhoseRequestWasCanceledIsNotKept(t *testing.T) {
	client, _ := inMemory(t, always(okDone))
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := client.Do(ctx, request(t, "http://a.example/", one, "{}"))
	require.NoError(t, err)
	cancel()
	socket := resp.Body.(*exchange).conn.socket
	require.Eventually(t, socket.isExpired, patience, time.Millisecond)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err, "it had come already")
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "done", string(body))
	assert.Zero(t, client.Open())
}

func TestCloseEndsAReadOfAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inMemory(t, func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndone")
			p.wait()
		})
		resp, err := client.Do(t.Context(), request(t, "http://a.example/", one, "{}")) //nolint:bodyclose // it is closed
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			_, err := io.ReadAll(resp.Body)
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, resp.Body.Close())
		require.ErrorIs(t, <-ended, http.ErrBodyReadAfterClose)
		assert.Zero(t, client.Open())
	})
}

func TestReadAfterTheEndSaysSoAgain(t *testing.T) {
	for reply, want := range map[string]error{
		okDone: io.EOF,
		"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndone": io.ErrUnexpectedEOF,
	} {
		client, _ := inMemory(t, func(p *peer) { p.request(); p.say(reply) })
		resp, err := client.Do(t.Context(), request(t, "http://a.example/", one, "{}"))
		require.NoError(t, err)
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 1))
		}
		require.ErrorIs(t, err, want)
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, want)
		require.NoError(t, resp.Body.Close())
	}
}

func TestTwoGoroutinesMayReadABody(t *testing.T) {
	for range 50 {
		var began, ended sync.WaitGroup
		began.Add(2)
		server := listen(t, nil, func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
			began.Wait()
			p.say("done")
		})
		client := newClient(t)
		resp, err := client.Do(t.Context(), request(t, server.url, one, "{}"))
		require.NoError(t, err)
		for range 2 {
			ended.Go(func() {
				began.Done()
				_, err := io.Copy(io.Discard, resp.Body)
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			})
		}
		ended.Wait()
		require.NoError(t, resp.Body.Close())
	}
}
