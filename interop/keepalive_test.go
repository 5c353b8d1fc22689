package interop

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// keepAliveServer prints its port, and then the number of connections it had.
const keepAliveServer = `
const server = require("http").createServer((request, response) => {
	request.resume().on("end", () => response.end("ok"));
});
let connections = 0;
server.on("connection", () => connections++);
server.keepAliveTimeout = Number(process.argv[1]);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => { console.log(connections); process.exit(); });
`

// A node is a server in a process of its own.
type node struct {
	url  string
	stop func() (connections int)
}

func startNode(t *testing.T, path string, keepAlive time.Duration) node {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, "-e", keepAliveServer, strconv.FormatInt(keepAlive.Milliseconds(), 10))
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewScanner(stdout)
	require.True(t, out.Scan())
	return node{"http://127.0.0.1:" + out.Text() + "/", func() int {
		require.NoError(t, stdin.Close())
		require.True(t, out.Scan())
		connections, err := strconv.Atoi(out.Text())
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
		return connections
	}}
}

// around returns a time near the one that a server says, or near the one after which it
// closes: some versions of Node wait for a second more. Or it returns a shorter time.
func around(timeout time.Duration) time.Duration {
	const near = 50 * time.Millisecond
	switch which := rand.IntN(3); {
	case timeout > time.Second, which == 0:
		return rand.N(timeout / 3)
	case which == 1:
		timeout += time.Second
	}
	return timeout - near + rand.N(2*near)
}

// A Node server closes a connection that had no request for a while. However close to that
// moment the next request is, it does not meet the end of the connection.
func TestRequestsToNodeAtRandomTimesMeetNoConnectionThatCloses(t *testing.T) {
	path := needNode(t)
	const endpoints, requests = 50, 4
	timeouts := []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
	nodes := make(map[string]node, len(timeouts))
	var mu sync.Mutex
	classes := make(map[string]int)
	var answered sync.WaitGroup
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Network: webhook.Network{AllowHTTP: true, AllowLoopback: true},
		Profile: "once", MaxEndpoints: -1,
		Profiles: map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}},
		Observer: webhook.Observer{Attempt: func(a webhook.Attempt, _ webhook.Verdict) {
			mu.Lock()
			defer mu.Unlock()
			name, _, _ := strings.Cut(a.EndpointID, "-")
			classes[fmt.Sprintf("%s %d %s %s", name, a.Status, a.Class, a.Error)]++
			answered.Done()
		}},
	})
	require.NoError(t, err)
	var ids []string
	for _, timeout := range timeouts {
		name := timeout.String()
		nodes[name] = startNode(t, path, timeout)
		for i := range endpoints {
			id := fmt.Sprint(name, "-", i)
			ids = append(ids, id)
			_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: id, URL: nodes[name].url, Events: []string{id}})
			require.NoError(t, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, d.Run(ctx)) })
	answered.Add(len(ids) * requests)
	for _, id := range ids {
		name, _, _ := strings.Cut(id, "-")
		timeout, err := time.ParseDuration(name)
		require.NoError(t, err)
		running.Go(func() {
			for range requests {
				_, err := d.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: id, Data: 1})
				if !assert.NoError(t, err) {
					return
				}
				time.Sleep(around(timeout)) //nolint:forbidigo // the random time is what is tested
			}
		})
	}
	answered.Wait()
	stop()
	running.Wait()
	for _, timeout := range timeouts {
		name := timeout.String()
		assert.Equal(t, endpoints*requests, classes[name+" 200  "], "%v", classes)
		connections := nodes[name].stop()
		t.Logf("%s: %d requests on %d connections", name, endpoints*requests, connections)
		if timeout >= 2*time.Second {
			assert.Less(t, connections, endpoints*requests/2, "connections that Node keeps are used again")
		}
	}
}
