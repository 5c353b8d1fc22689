// Bench measures how many deliveries a second the library makes, beside what a team would write without it, in the same run: a
// loop that signs a body and posts it with net/http. Both send to a receiver in a process of its own, on loopback, which checks
// every signature and that every event arrives exactly once.
//
//	go run ./bench [-n 50000] [-rounds 5] [-json]
//
// The peers take turns; the figures are medians over the rounds.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

const (
	senders  = 32   // goroutines that post or emit
	bodySize = 1024 // of what is signed and sent, about
	deadline = 10 * time.Minute
)

// A peer sends n events to a receiver.
type peer struct {
	name string
	send func(ctx context.Context, url string, n int) error
}

var peers = []peer{
	{"raw", sendRaw},
	{"webhook", sendWebhook},
}

// A result is one round of one peer.
type result struct {
	Scenario   string  `json:"scenario"`
	Peer       string  `json:"peer"`
	Round      int     `json:"round"`
	PerSecond  float64 `json:"deliveries_per_s"`
	CPU        float64 `json:"cpu_us_per_delivery"` // of sender and receiver together
	Duplicates int     `json:"duplicates"`
	Lost       int     `json:"lost"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	n := flag.Int("n", 50_000, "events in a round")
	rounds := flag.Int("rounds", 5, "rounds of each peer")
	asJSON := flag.Bool("json", false, "print one JSON object a line")
	isReceiver := flag.Bool("receiver", false, "be the receiver (used by bench itself)")
	flag.Parse()
	if *isReceiver {
		log.Fatal(receive(context.Background()))
	}
	if *n < 1 || *rounds < 1 {
		log.Fatal("-n and -rounds must be at least 1")
	}
	if err := run(*n, *rounds, *asJSON); err != nil {
		log.Fatal(err)
	}
}

func run(n, rounds int, asJSON bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	r, err := startReceiver(ctx)
	if err != nil {
		return err
	}
	defer r.stop()
	results := make(map[string][]result)
	for _, p := range peers { // warm up: connections, pages, clocks
		if _, err := measure(ctx, r, p, min(n, 2000), 0); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for round := 1; round <= rounds; round++ {
		for _, p := range peers {
			got, err := measure(ctx, r, p, n, round)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			results[p.name] = append(results[p.name], got)
			if asJSON {
				if err := json.NewEncoder(os.Stdout).Encode(got); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(os.Stderr, "round %d: %-8s %7.0f/s\n", round, p.name, got.PerSecond)
			}
		}
	}
	if !asJSON {
		report(results, n, rounds)
	}
	return nil
}

// measure lets one peer send n events, and checks that they arrived.
func measure(ctx context.Context, r *receiver, p peer, n, round int) (result, error) {
	before, err := r.reset(ctx)
	if err != nil {
		return result{}, err
	}
	cpuBefore := ownCPU()
	began := time.Now()
	if err := p.send(ctx, r.url, n); err != nil {
		return result{}, err
	}
	took := time.Since(began)
	cpu := ownCPU() - cpuBefore
	after, err := r.tally(ctx)
	if err != nil {
		return result{}, err
	}
	cpu += after.CPU - before.CPU
	got := result{
		Scenario: "memory", Peer: p.name, Round: round,
		PerSecond:  float64(n) / took.Seconds(),
		CPU:        float64(cpu.Microseconds()) / float64(n),
		Duplicates: after.Requests - after.Distinct, Lost: n - after.Distinct,
	}
	if after.Invalid > 0 || got.Duplicates > 0 || got.Lost > 0 {
		return got, fmt.Errorf("of %d events %d arrived, in %d requests, %d of them with an invalid signature", n, after.Distinct, after.Requests, after.Invalid)
	}
	return got, nil
}

func report(results map[string][]result, n, rounds int) {
	fmt.Printf("\nmemory: %d events of about %d bytes, %d senders, receiver in another process on loopback; medians of %d rounds (least–most)\n\n", n, bodySize, senders, rounds)
	fmt.Printf("%-10s %-28s %s\n", "peer", "deliveries/s", "CPU µs/delivery, both sides")
	median := make(map[string]float64)
	for _, p := range peers {
		rate, cpu := column(results[p.name], func(r result) float64 { return r.PerSecond }), column(results[p.name], func(r result) float64 { return r.CPU })
		median[p.name] = rate[len(rate)/2]
		fmt.Printf("%-10s %7.0f (%.0f–%.0f)%8s %5.1f (%.1f–%.1f)\n", p.name, rate[len(rate)/2], rate[0], rate[len(rate)-1], "", cpu[len(cpu)/2], cpu[0], cpu[len(cpu)-1])
	}
	fmt.Printf("\nwebhook / raw: %.0f %%\n", 100*median["webhook"]/median["raw"])
}

// column returns one figure of all rounds, sorted.
func column(results []result, of func(result) float64) []float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values
}

// ownCPU is what this process has used, in all threads.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var errStatus = errors.New("unexpected status")
