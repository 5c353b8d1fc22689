package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/gowebhook/webhook"
)

// stats prints the counts of Dispatcher.Stats.
func stats(*flag.FlagSet) func(context.Context, *ops) error {
	return func(ctx context.Context, o *ops) error {
		s, err := o.Stats(ctx)
		if err != nil {
			return err
		}
		return o.table(func(t io.Writer) {
			fmt.Fprintf(t, "deliveries\tdue\t%d\n\tin flight\t%d\n\twaiting\t%d\n\theld\t%d\n", s.Due, s.InFlight, s.Waiting, s.Held)
			fmt.Fprintf(t, "events\tto be made into deliveries\t%d\n", s.Outbox)
			fmt.Fprintf(t, "oldest due delivery\thas been due for\t%s\n", ago(s.At, s.OldestAt))
			fmt.Fprintf(t, "endpoints\tactive\t%d\n\tpaused\t%d\n\tdisabled\t%d\n\tfailing\t%d\n",
				s.Endpoints.Active, s.Endpoints.Paused, s.Endpoints.Disabled, s.Endpoints.Failing)
		})
	}
}

// failing lists endpoints by Query.Health.
func failing(flags *flag.FlagSet) func(context.Context, *ops) error {
	tenant := flags.String("tenant", "", "only of this `tenant`")
	soon := flags.Bool("disabling", false, "only those with the status disabling_soon")
	most := flags.Int("most", 50, "list at most so many")
	return func(ctx context.Context, o *ops) error {
		q := webhook.Query{Tenant: *tenant, Health: webhook.HealthFailing}
		if *soon {
			q.Health = webhook.HealthDisabling
		}
		var list []webhook.Endpoint
		for next := true; next && len(list) < *most; next = q.Cursor != "" { // a page may be short, even empty
			q.Limit = min(*most-len(list), 1000)
			page, err := o.AllTenants().Endpoints(ctx, q)
			if err != nil {
				return err
			}
			list, q.Cursor = append(list, page.Items...), page.Next
		}
		return o.table(func(t io.Writer) {
			fmt.Fprintln(t, "TENANT\tENDPOINT\tSTATE\tSTATUS\tFAILING FOR\tFAILURES\tLAST\tBLOCKED FOR\tURL")
			now := time.Now()
			for _, e := range list {
				h := e.Health
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", e.Tenant, e.ID, stateOf(&e), h.Status, ago(now, h.FailingSince),
					h.Failures, lastOf(&h), until(now, h.BlockedUntil), e.URL)
			}
			if q.Cursor != "" {
				fmt.Fprintln(t, "…and more: use -most")
			}
		})
	}
}

// attempts lists the failed attempts of all tenants, the latest first.
func attempts(flags *flag.FlagSet) func(context.Context, *ops) error {
	class := flags.String("class", "", "only of this `class`, for example timeout")
	status := flags.Int("status", 0, "only with this HTTP status `code`")
	since := flags.Duration("since", 10*time.Minute, "that began in the last `duration`")
	most := flags.Int("most", 50, "list at most so many")
	return func(ctx context.Context, o *ops) error {
		q := webhook.Query{Class: webhook.Class(*class), Status: *status, From: time.Now().Add(-*since), NoBodies: true}
		var list []webhook.Attempt
		for next := true; next && len(list) < *most; next = q.Cursor != "" { // a page may be short, even empty
			q.Limit = min(*most-len(list), 1000)
			page, err := o.AllTenants().Attempts(ctx, q)
			if err != nil {
				return err
			}
			list, q.Cursor = append(list, page.Items...), page.Next
		}
		return o.table(func(t io.Writer) {
			fmt.Fprintln(t, "STARTED\tTENANT\tENDPOINT\tEVENT\tATTEMPT\tCLASS\tSTATUS\tERROR")
			for _, a := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\n", a.StartedAt.Format(time.RFC3339), a.Tenant, a.EndpointID, a.EventID,
					a.Number, a.Class, a.Status, a.Error)
			}
			if q.Cursor != "" {
				fmt.Fprintln(t, "…and more: use -most")
			}
		})
	}
}

// A selection is the flags of pause and resume.
type selection struct {
	query   webhook.Query
	failing bool
}

func selectionOf(flags *flag.FlagSet) *selection {
	s := &selection{}
	flags.StringVar(&s.query.Tenant, "tenant", "", "the endpoints of this `tenant`")
	flags.StringVar(&s.query.EndpointID, "endpoint", "", "the endpoint of -tenant with this `id`")
	flags.BoolVar(&s.failing, "failing", false, "the endpoints that keep failing")
	flags.BoolVar(&s.query.All, "all", false, "all endpoints of all tenants")
	return s
}

// complete returns the query. Ids are the tenant's own, so without a tenant an id could select
// endpoints of several.
func (s *selection) complete() (webhook.Query, error) {
	if s.query.EndpointID != "" && s.query.Tenant == "" {
		return webhook.Query{}, errors.New("-endpoint: name its tenant with -tenant")
	}
	if s.failing {
		s.query.Health = webhook.HealthFailing
	}
	return s.query, nil
}

func pause(flags *flag.FlagSet) func(context.Context, *ops) error {
	s := selectionOf(flags)
	return func(ctx context.Context, o *ops) error {
		q, err := s.complete()
		if err != nil {
			return err
		}
		done, err := o.AllTenants().Pause(ctx, q)
		fmt.Fprintf(o.out, "paused %d endpoints\n", done.Changed)
		return err
	}
}

func resume(flags *flag.FlagSet) func(context.Context, *ops) error {
	s := selectionOf(flags)
	return func(ctx context.Context, o *ops) error {
		q, err := s.complete()
		if err != nil {
			return err
		}
		done, err := o.AllTenants().Resume(ctx, q)
		fmt.Fprintf(o.out, "resumed %d endpoints\n", done.Changed)
		return err
	}
}

// replay starts a job of Scope.Replay. The application's processes do the work.
func replay(flags *flag.FlagSet) func(context.Context, *ops) error {
	var req webhook.ReplayRequest
	tenant := flags.String("tenant", "", "of this `tenant`; all tenants if it is empty")
	flags.StringVar(&req.Endpoint, "endpoint", "", "to the endpoint with this `id`")
	flags.BoolVar(&req.Missed, "missed", false, "the events that the endpoint has missed, instead of deliveries that failed")
	flags.Float64Var(&req.Rate, "rate", 0, "deliveries a `second` (default 10)")
	flags.BoolVar(&req.DryRun, "dry-run", false, "only count")
	since := flags.Duration("since", 0, "deliveries that finished, or events that were emitted, in the last `duration`")
	return func(ctx context.Context, o *ops) error {
		switch {
		case *since <= 0:
			return errors.New("-since: say how far to look back, for example 2h")
		case req.Missed:
			req.From = time.Now().Add(-*since)
		default:
			req.FinishedFrom = time.Now().Add(-*since)
			req.States = []webhook.DeliveryState{webhook.DeliveryFailed} // and none that somebody has canceled
		}
		scope := o.AllTenants()
		if *tenant != "" {
			scope = o.Tenant(*tenant)
		}
		job, err := scope.Replay(ctx, req)
		if err != nil {
			return err
		}
		return o.table(func(t io.Writer) {
			about := ""
			if !job.Exact {
				about = " or more"
			}
			fmt.Fprintf(t, "matched\t%d%s\n", job.Matched, about)
			if !req.DryRun {
				fmt.Fprintf(t, "job\t%s\n", job.ID)
			}
		})
	}
}

// table prints a table with aligned columns.
func (o *ops) table(rows func(io.Writer)) error {
	t := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	rows(t)
	return t.Flush()
}

// stateOf returns the state of an endpoint, and its Reason if it has one.
func stateOf(e *webhook.Endpoint) string {
	if e.Reason != "" {
		return fmt.Sprintf("%s (%s)", e.State, e.Reason)
	}
	return string(e.State)
}

// lastOf returns the status code of the latest failure, or else its class.
func lastOf(h *webhook.Health) string {
	if h.LastStatus != 0 {
		return fmt.Sprint(h.LastStatus)
	}
	return string(h.LastClass)
}

func ago(now, t time.Time) string { return until(t, now) }

// until returns the time from a to b, or a dash if there is none.
func until(a, b time.Time) string {
	if a.IsZero() || b.IsZero() || b.Before(a) {
		return "-"
	}
	return b.Sub(a).Round(time.Second).String()
}
