package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// What a webhookPeer can be asked directly.
const (
	probeClaim  = "claim"  // a claim that finds nothing
	probeExpand = "expand" // what Claim does with one event for very many endpoints
	probeEmit   = "emit"   // Emit and EmitTx, one at a time
)

// probes is how often something is measured for its median.
const probes = 300

func (p *webhookPeer) probe(ctx context.Context, what string) (map[string]float64, error) {
	switch what {
	case probeClaim:
		return p.probeClaim(ctx)
	case probeExpand:
		return p.probeExpand(ctx)
	case probeEmit:
		return p.probeEmit(ctx)
	}
	return nil, fmt.Errorf("no such probe: %q", what)
}

func (p *webhookPeer) probeClaim(ctx context.Context) (map[string]float64, error) {
	times := make([]float64, probes)
	for i := range times {
		began := time.Now()
		claimed, err := p.store.Claim(ctx, claimRequest(8))
		times[i] = milliseconds(time.Since(began))
		if err != nil {
			return nil, err
		}
		if len(claimed.Deliveries) > 0 || claimed.Next != "" {
			return nil, fmt.Errorf("a claim that should find nothing found %d deliveries", len(claimed.Deliveries))
		}
	}
	return map[string]float64{"claim_ms": median(times)}, nil
}

func claimRequest(room int) webhook.ClaimRequest {
	now := time.Now().Truncate(time.Microsecond).UTC()
	return webhook.ClaimRequest{Now: now, LeaseUntil: now.Add(time.Minute), Max: batchSize, MaxBytes: 64 << 20, Room: room}
}

// probeExpand claims nothing: what is left of a claim is to make deliveries.
func (p *webhookPeer) probeExpand(ctx context.Context) (map[string]float64, error) {
	began := time.Now()
	if err := p.emit(ctx, event{0, 0, eventData(0, text)}); err != nil {
		return nil, err
	}
	for left := true; left; {
		req := claimRequest(0)
		req.Max = 0
		if _, err := p.store.Claim(ctx, req); err != nil {
			return nil, err
		}
		var err error
		if left, err = p.unexpanded(ctx); err != nil {
			return nil, err
		}
	}
	took := time.Since(began)
	stats, err := p.store.Stats(ctx, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	if stats.Pending != p.layout.Fanout {
		return nil, fmt.Errorf("%d deliveries were stored, not %d", stats.Pending, p.layout.Fanout)
	}
	return map[string]float64{"rows_per_s": float64(p.layout.Fanout) / took.Seconds()}, nil
}

// Types of events in a tenant that prepareMatch made, by how many endpoints receive them.
const (
	typeThree = "bench.three"
	typeOne   = "bench.one"
	typeNone  = "bench.none"
	typeOther = "other.sent" // all the others
)

// prepareMatch makes so many endpoints of one tenant, of which three receive one type, and one another.
func prepareMatch(ctx context.Context, d *webhook.Dispatcher, db *sql.DB, count int, at addresses) error {
	all := layout{Tenants: 1, Fanout: count}.endpoints(at)
	for _, part := range []struct {
		endpoints []endpoint
		typ       string
	}{{all[:3], typeThree}, {all[3:4], typeOne}, {all[4:5], typeOther}} {
		if err := createEndpoints(ctx, d, part.endpoints, part.typ); err != nil {
			return err
		}
	}
	return cloneEndpoints(ctx, db, clones{of: all[4], from: 5, to: count, perTenant: count, at: at})
}

// probeEmit measures the kinds of events in turn, so that whatever else happens meanwhile happens to all of them.
func (p *webhookPeer) probeEmit(ctx context.Context) (map[string]float64, error) {
	kinds := []struct {
		name  string
		typ   string
		count int
		emit  func(context.Context, webhook.Event) (int, error)
	}{
		{"emit_ms", typeThree, 3, p.emitOne},
		{"emit_one_ms", typeOne, 1, p.emitOne},
		{"emit_none_ms", typeNone, 0, p.emitOne},
		{"emittx_one_ms", typeOne, -1, p.emitTx},
		{"emittx_none_ms", typeNone, -1, p.emitTx},
	}
	times := make(map[string][]float64)
	for n := range probes + probes/10 {
		for _, k := range kinds {
			e := webhook.Event{Tenant: tenantID(0), Type: k.typ, Data: eventData(n, text)}
			began := time.Now()
			count, err := k.emit(ctx, e)
			took := milliseconds(time.Since(began))
			if err != nil {
				return nil, err
			}
			if count != k.count {
				return nil, fmt.Errorf("an event of type %s has %d deliveries, not %d", k.typ, count, k.count)
			}
			if n >= probes/10 { // the first prepare statements
				times[k.name] = append(times[k.name], took)
			}
		}
	}
	figures := make(map[string]float64)
	for name, values := range times {
		figures[name] = median(values)
	}
	return figures, nil
}

func (p *webhookPeer) emitOne(ctx context.Context, e webhook.Event) (int, error) {
	r, err := p.d.Emit(ctx, e)
	return r.Deliveries, err
}

// emitTx is an application's transaction that does nothing else.
func (p *webhookPeer) emitTx(ctx context.Context, e webhook.Event) (int, error) {
	tx, err := p.sql.DB().BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	receipts, err := p.d.EmitTx(ctx, p.sql.Tx(tx), e)
	if err != nil {
		return 0, err
	}
	return receipts[0].Deliveries, tx.Commit()
}
