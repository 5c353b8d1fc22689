// Prometheus shows the metrics of a Dispatcher with client_golang, without OpenTelemetry. It
// sends an event a second to two receivers of its own, one of which fails every third time, and
// serves the metrics:
//
//	go run . &
//	curl -s http://127.0.0.1:9464/metrics | grep ^webhook
//
// The file metrics.go is all that an application needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func main() {
	address := flag.String("address", "127.0.0.1:9464", "address of the metrics")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *address)
	if err == nil {
		fmt.Printf("metrics: http://%s/metrics\n", listener.Addr())
		err = run(ctx, listener, time.Second)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
}

// run delivers events to receivers of its own, and serves the metrics, until ctx ends.
func run(ctx context.Context, listener net.Listener, every time.Duration) error {
	metrics := NewMetrics()
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil {
		return err
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Network:  webhook.Network{AllowHTTP: true, AllowLoopback: true}, // for the receivers of this program
		Observer: metrics.Observer(),
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"steady", "shaky"} {
		e := webhook.Endpoint{ID: name, URL: fmt.Sprintf("http://%s/%s", listener.Addr(), name), Events: []string{"*"}}
		if _, err := d.Tenant("acme").CreateEndpoint(ctx, e); err != nil {
			return err
		}
	}

	var requests atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("POST /steady", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /shaky", func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1)%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Go(func() { _ = d.Run(ctx) })
	running.Go(func() { metrics.Watch(ctx, d) })
	running.Go(func() { emit(ctx, d, every) })
	running.Go(func() {
		<-ctx.Done()
		_ = server.Close()
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// emit emits an event every so often until ctx ends.
func emit(ctx context.Context, d *webhook.Dispatcher, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "clock.ticked"}); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "prometheus:", err)
		}
	}
}
