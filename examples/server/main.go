// Server is an application that sends webhooks. Communities have members, and customers
// register endpoints for events about them. It has the parts that every application needs:
//
//   - a Dispatcher on the application's own database
//   - the customers' API of webhookhttp, behind the application's authentication
//   - two handlers that emit, one of them within a transaction
//
// Without a token it makes one and logs it. The flag -help prints the flags. An environment
// variable can replace each of them.
//
//	WEBHOOK_TOKEN=dev-token go run ./examples/server -allow-private
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := parse(os.Args[1:], os.Getenv, os.Stderr)
	if err == nil {
		err = run(ctx, o, os.Stderr)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// Limits of the server's own HTTP.
const (
	headerTimeout = 5 * time.Second
	requestTime   = 60 * time.Second // a test send may take as long as webhook.Config.MaxTimeout
	idleTimeout   = 2 * time.Minute
	shutdownTime  = 10 * time.Second
)

// run serves until ctx ends. Then it drains: first the requests to the API end, then the
// deliveries in flight.
func run(ctx context.Context, o options, out io.Writer) error {
	logger := slog.New(slog.NewTextHandler(out, nil))
	store, closeStore, err := database.Open(ctx, o.Database)
	if err != nil {
		return err
	}
	defer closeStore()
	members, err := newMembers(ctx, store, o.Database)
	if err != nil {
		return err
	}
	var cipher webhook.Cipher
	if len(o.Keys) > 0 {
		if cipher, err = webhook.NewCipher(o.Keys...); err != nil {
			return err
		}
	}
	d, err := webhook.New(store, webhook.Config{
		EventTypes:  catalogue,
		Network:     webhook.Network{AllowHTTP: o.AllowPrivate, AllowPrivate: o.AllowPrivate, AllowLoopback: o.AllowPrivate},
		Profiles:    map[string]webhook.Profile{"server": {Retry: webhook.Schedule(o.Retries...)}},
		Profile:     "server",
		MaxInFlight: o.Workers,
		Cipher:      cipher,
		Logger:      logger,
	})
	if err != nil {
		return err
	}
	api, err := newAPI(d, members, o.Token, logger)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return err
	}

	// The Dispatcher must outlive the last API request, which may emit. So its context is not
	// the signal's.
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDelivering()
	delivered := make(chan error, 1)
	go func() { delivered <- d.Run(delivering) }()

	server := &http.Server{
		Handler: api, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	logger.InfoContext(ctx, "listening", "url", "http://"+listener.Addr().String(), "database", database.Redacted(o.Database))
	if o.Generated {
		logger.InfoContext(ctx, "no token was given: this one was made for this run", "token", o.Token)
	}
	if o.AllowPrivate {
		logger.WarnContext(ctx, "endpoints may have http:// URLs and private addresses: for development only")
	}

	select {
	case err = <-served:
	case <-ctx.Done():
		logger.InfoContext(ctx, "draining")
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		err = server.Shutdown(bounded)
	}
	stopDelivering()
	return cmp.Or(err, <-delivered)
}
