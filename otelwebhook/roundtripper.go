package otelwebhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowebhook/webhook"
)

// A roundTripper makes a client span for each request.
type roundTripper struct {
	telemetry *Telemetry
	base      http.RoundTripper
}

// RoundTrip implements [http.RoundTripper]. The span ends when the response body has been read
// or closed.
func (rt *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := rt.telemetry.tracer.Start(r.Context(), r.Method,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(requestAttributes(r)...))
	resp, err := rt.base.RoundTrip(rt.outgoing(ctx, r))
	if err != nil || resp == nil {
		if err != nil {
			span.SetStatus(codes.Error, "")
			span.SetAttributes(semconv.ErrorTypeKey.String(requestErrorType(err)))
		}
		span.End()
		return resp, err
	}
	if !span.IsRecording() || resp.Body == nil {
		span.End()
		return resp, nil
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(resp.StatusCode), semconv.NetworkProtocolVersion(versionOf(resp)))
	if resp.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(resp.StatusCode)))
	}
	resp.Body = &spanBody{ReadCloser: resp.Body, span: span}
	return resp, nil
}

// outgoing returns the request to send: a copy with ctx, and with a header traceparent if the
// application wants one. It shares no map that it changes.
func (rt *roundTripper) outgoing(ctx context.Context, r *http.Request) *http.Request {
	out := r.WithContext(ctx)
	if !rt.telemetry.config.SendTraceparent || r.Header.Get(traceparent) != "" {
		return out
	}
	if value := traceparentOf(ctx); value != "" {
		out.Header = r.Header.Clone()
		if out.Header == nil {
			out.Header = make(http.Header, 1)
		}
		out.Header.Set(traceparent, value)
	}
	return out
}

// versionOf returns the version of HTTP in a response, for example "1.1" or "2".
func versionOf(r *http.Response) string {
	if r.ProtoMajor >= 2 {
		return strconv.Itoa(r.ProtoMajor)
	}
	return fmt.Sprintf("%d.%d", r.ProtoMajor, r.ProtoMinor)
}

const traceparent = "traceparent"

// traceparentOf returns the W3C traceparent of the span in ctx, or "" if it has none.
func traceparentOf(ctx context.Context) string {
	carrier := make(propagation.MapCarrier, 2)
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// requestAttributes returns the attributes that the semantic conventions require. The path and
// the query of the URL are left out, because they are often secret.
func requestAttributes(r *http.Request) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 1, 5)
	list[0] = semconv.HTTPRequestMethodKey.String(r.Method)
	if r.URL != nil {
		list = append(list, semconv.ServerAddress(r.URL.Hostname()), semconv.ServerPort(portOf(r.URL)), semconv.URLFull(redacted(r.URL)))
	}
	if n, _ := r.Context().Value(attemptNumberContext{}).(int); n > 1 {
		list = append(list, semconv.HTTPRequestResendCount(n-1))
	}
	return list
}

// redacted returns a URL with REDACTED in place of its path and query.
func redacted(u *url.URL) string {
	text := u.Scheme + "://" + u.Host
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Opaque != "" {
		text += "/REDACTED"
	}
	return text
}

// portOf returns the port of a URL, or the default port of its scheme.
func portOf(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}

// requestErrorType returns the error.type of a request without a response: "timeout", a Class,
// or the type of the error. The text of an error may have parts of the URL, so it is left out.
func requestErrorType(err error) string {
	var timeout net.Error
	var class webhook.Class
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return string(webhook.ClassTimeout)
	case errors.As(err, &class):
		return string(class)
	default:
		return fmt.Sprintf("%T", err)
	}
}

// A spanBody is a response body that ends a span when it ends.
type spanBody struct {
	io.ReadCloser

	span trace.Span
	once sync.Once
}

func (b *spanBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *spanBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

// end ends the span once. An error other than io.EOF means that the body was cut short.
func (b *spanBody) end(err error) {
	b.once.Do(func() {
		if err != nil && !errors.Is(err, io.EOF) {
			b.span.SetStatus(codes.Error, "")
			b.span.SetAttributes(semconv.ErrorTypeKey.String(requestErrorType(err)))
		}
		b.span.End()
	})
}
