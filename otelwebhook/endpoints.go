package otelwebhook

import (
	"go.opentelemetry.io/otel/metric"

	"github.com/gowebhook/webhook"
)

// An endpointCount is the number of endpoints in one state.
type endpointCount struct {
	state     metric.ObserveOption
	endpoints int
}

// endpointsOf returns the numbers of endpoints by state, if the Store counts them. No Store does
// yet.
func endpointsOf(*webhook.Stats) (counts []endpointCount, ok bool) {
	return nil, false
}
