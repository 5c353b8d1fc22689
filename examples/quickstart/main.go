// Quickstart shows the library in one process that ends by itself. Two customers register an
// endpoint each. Four events fan out, fail, are retried, and arrive with valid signatures.
//
// Everything is kept in an SQLite file, or in the database of the flag -database. A second run
// shows the log of the first too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database"
	"github.com/gowebhook/webhook/webhooktest"
)

const tenant = "founders-den"

func main() {
	name := flag.String("database", "quickstart.db", database.Usage)
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *name); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 9*time.Second)
	defer cancel()
	store, closeStore, err := database.Open(ctx, name)
	if err != nil {
		return err
	}
	defer closeStore()
	s := &story{out: out, began: time.Now()}

	// Secrets are stored sealed. The key of a real application comes from a secret manager.
	// Everybody knows the key of this program.
	cipher, err := webhook.NewCipher(webhook.CipherKey{ID: "quickstart", Key: make([]byte, 32)})
	if err != nil {
		return err
	}

	// The sender. Real endpoints have https URLs and public addresses. The two options allow
	// the receivers of this program.
	d, err := webhook.New(store, webhook.Config{
		Network:  webhook.Network{AllowHTTP: true, AllowLoopback: true},
		Profiles: map[string]webhook.Profile{"quick": {Retry: webhook.Schedule(400*time.Millisecond, 800*time.Millisecond)}},
		Profile:  "quick", // the default retries for three days
		Cipher:   cipher,
		Observer: webhook.Observer{Attempt: s.attempt},
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(running) }()

	// Two customers' servers, and their subscriptions.
	crm, billing := webhooktest.NewReceiver(), webhooktest.NewReceiver()
	defer crm.Close()
	defer billing.Close()
	billing.Answer(webhooktest.Answer{Status: 503}, webhooktest.Answer{Status: 500}) // to its first two requests

	s.say("1. Customers register their endpoints")
	den := d.Tenant(tenant)
	for _, customer := range []struct {
		*webhooktest.Receiver
		id     string
		events []string
	}{{crm, "crm", []string{"member.*"}}, {billing, "billing", []string{"member.joined", "payment.completed"}}} {
		e, err := register(ctx, den, webhook.Endpoint{ID: customer.id, URL: customer.URL, Events: customer.events})
		if err != nil {
			return err
		}
		customer.Secret = e.Secret // it is shown this once
		s.say("   %-8s %s  subscribes to %s", e.ID, e.URL, strings.Join(e.Events, ", "))
	}

	s.say("2. Things happen, and the deliveries go out")
	for _, e := range []webhook.Event{
		{Type: "member.joined", Data: map[string]any{"member_id": "mem_3f8c2b", "name": "Ada Lovelace"}},
		{Type: "payment.completed", Data: map[string]any{"member_id": "mem_3f8c2b", "amount": "49.00", "currency": "EUR"}},
		{Type: "member.left", Data: map[string]any{"member_id": "mem_19d0aa", "reason": "moved away"}},
		{Type: "post.created", Data: map[string]any{"post_id": "post_77"}},
	} {
		e.Tenant = tenant
		receipt, err := d.Emit(ctx, e)
		if err != nil {
			return err
		}
		s.emitted = append(s.emitted, receipt.EventID)
		s.say("   %-18s emitted, to %d subscribed", e.Type, receipt.Deliveries)
	}
	if _, err := crm.Wait(ctx, 2); err != nil {
		return err
	}
	if _, err := billing.Wait(ctx, 4); err != nil { // two deliveries and two retries
		return err
	}
	stop()
	if err := <-stopped; err != nil {
		return err
	}

	s.say("3. Each customer checks the requests with its own secret")
	for _, r := range []struct {
		name string
		*webhooktest.Receiver
	}{{"crm", crm}, {"billing", billing}} {
		for _, got := range r.Received() {
			if got.Err != nil {
				return fmt.Errorf("%s: event %s: %w", r.name, got.ID, got.Err)
			}
			s.say("   %-8s signature valid   %s", r.name, got.Body)
		}
	}
	return printLog(ctx, d, s)
}

// register creates an endpoint. If an earlier run has created it, it gets the new URL and a
// new secret.
func register(ctx context.Context, scope webhook.Scope, e webhook.Endpoint) (webhook.Endpoint, error) {
	created, err := scope.CreateEndpoint(ctx, e)
	if !errors.Is(err, webhook.ErrConflict) {
		return created, err
	}
	old, err := scope.Endpoint(ctx, e.ID)
	if err != nil {
		return old, err
	}
	old.URL, old.Events = e.URL, e.Events
	if _, err := scope.UpdateEndpoint(ctx, old); err != nil {
		return old, err
	}
	return scope.RotateSecret(ctx, e.ID, 0)
}

// printLog prints the delivery log, and fails unless every delivery has succeeded.
func printLog(ctx context.Context, d *webhook.Dispatcher, s *story) error {
	s.say("4. The delivery log, as your customers would see it")
	table := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "         ENDPOINT\tBEGAN\tEVENT\tATTEMPT\tSTATUS\tTOOK\tRESULT")
	for _, endpoint := range []string{"crm", "billing"} {
		page, err := d.Tenant(tenant).Attempts(ctx, webhook.Query{EndpointID: endpoint})
		if err != nil {
			return err
		}
		for _, a := range slices.Backward(page.Items) { // the oldest first
			fmt.Fprintf(table, "         %s\t%s\t%s\t%d\t%d\t%s\t%s\n", a.EndpointID, a.StartedAt.Local().Format(time.TimeOnly), a.EventType, a.Number, a.Status, round(a.Duration), result(a))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	arrived := 0
	for _, id := range s.emitted {
		page, err := d.Tenant(tenant).Deliveries(ctx, webhook.Query{EventID: id})
		if err != nil {
			return err
		}
		for _, delivery := range page.Items {
			if delivery.State != webhook.DeliverySucceeded {
				return fmt.Errorf("delivery %s is %s", delivery.ID, delivery.State)
			}
			arrived++
		}
	}
	s.say("All %d deliveries arrived.", arrived)
	return nil
}

// A story is printed line by line, with the time since it began.
type story struct {
	out     io.Writer
	began   time.Time
	emitted []string // event ids
	mu      sync.Mutex
}

func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%6dms %s\n", time.Since(s.began).Milliseconds(), fmt.Sprintf(format, args...))
}

// attempt prints one request. The Dispatcher calls it.
func (s *story) attempt(a webhook.Attempt, _ webhook.Verdict) {
	s.say("   → %-8s %-18s attempt %d: HTTP %d in %s, %s", a.EndpointID, a.EventType, a.Number, a.Status, round(a.Duration), result(a))
}

func result(a webhook.Attempt) string {
	switch {
	case a.Class == "":
		return "delivered"
	case a.NextAt.IsZero():
		return "given up"
	default:
		return "retry in " + round(a.NextAt.Sub(a.StartedAt)).String()
	}
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
