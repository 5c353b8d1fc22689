package main

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
)

const (
	recorded = 40 * time.Minute // length of a recording
	scraped  = 15 * time.Second // time between two samples
)

// A recording is time series by their selectors. A function gives the value at each time since
// the beginning.
type recording map[string]func(time.Duration) float64

// constant is the same value at all times.
func constant(value float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return value }
}

// rising is a counter that grows by a number each second.
func rising(perSecond float64) func(time.Duration) float64 {
	return func(at time.Duration) float64 { return perSecond * at.Seconds() }
}

// until is one value before a time and another one from then on.
func until(change time.Duration, before, after float64) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at < change {
			return before
		}
		return after
	}
}

// fires reports whether an alert fires at the end of the recording: its expression was true in
// every minute of its "for".
func (r recording) fires(t *testing.T, rule rulefmt.Rule) bool {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	defer func() { require.NoError(t, engine.Close()) }()
	start := time.Unix(0, 0)
	for at := recorded - time.Duration(rule.For); at <= recorded; at += time.Minute {
		query, err := engine.NewInstantQuery(t.Context(), r.storage(t), nil, rule.Expr, start.Add(at))
		require.NoError(t, err)
		result := query.Exec(t.Context())
		require.NoError(t, result.Err)
		vector, err := result.Vector()
		require.NoError(t, err)
		query.Close()
		if len(vector) == 0 {
			return false
		}
	}
	return true
}

// storage returns the recording as a storage of Prometheus.
func (r recording) storage(t *testing.T) storage.Queryable {
	t.Helper()
	var s seriesStorage
	for selector, value := range r {
		metric, err := parser.ParseMetric(selector)
		require.NoError(t, err)
		var samples []chunks.Sample
		for at := time.Duration(0); at <= recorded; at += scraped {
			samples = append(samples, sample{at.Milliseconds(), value(at)})
		}
		s = append(s, storage.NewListSeries(metric, samples))
	}
	return s
}

// A seriesStorage is a storage of a few series.
type seriesStorage []storage.Series

func (s seriesStorage) Querier(int64, int64) (storage.Querier, error) { return seriesQuerier{s}, nil }

type seriesQuerier struct{ list seriesStorage }

func (q seriesQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &seriesSet{next: -1}
	for _, series := range q.list {
		matches := true
		for _, m := range matchers {
			matches = matches && m.Matches(series.Labels().Get(m.Name))
		}
		if matches {
			found.list = append(found.list, series)
		}
	}
	return found
}

func (seriesQuerier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (seriesQuerier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (seriesQuerier) Close() error { return nil }

// A seriesSet is the answer to a Select.
type seriesSet struct {
	list []storage.Series
	next int
}

func (s *seriesSet) Next() bool {
	s.next++
	return s.next < len(s.list)
}

func (s *seriesSet) At() storage.Series                { return s.list[s.next] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// A sample is a value at a time in milliseconds.
type sample struct {
	at    int64
	value float64
}

func (s sample) T() int64                    { return s.at }
func (sample) ST() int64                     { return 0 }
func (s sample) F() float64                  { return s.value }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }
