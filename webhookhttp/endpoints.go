package webhookhttp

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gowebhook/webhook"
)

// updates is the number of tries of a change without If-Match. It is tried again when others
// change the endpoint at the same time.
const updates = 5

func (x *exchange) listEndpoints() error {
	p, err := x.paging()
	if err != nil {
		return err
	}
	q := p.query()
	q.MaxBytes = maxListBytes
	health, err := p.text("health", isHealth, "use failing or disabling_soon")
	if err != nil {
		return err
	}
	q.Health = webhook.HealthStatus(health)
	page, err := x.scope().Endpoints(x.r.Context(), q)
	if err != nil {
		return err
	}
	views, err := x.views(page.Items...)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Secret != "" {
			x.w.Header().Set("Cache-Control", "no-store")
		}
	}
	return x.answer(http.StatusOK, list[*endpointJSON]{views, optionalOf(page.Next)})
}

func (x *exchange) createEndpoint() error {
	members, err := x.body(true, x.checkName)
	if err != nil {
		return err
	}
	e := webhook.Endpoint{State: webhook.EndpointActive}
	if err := x.set(&e, members); err != nil {
		return err
	}
	e, err = x.scope().CreateEndpoint(x.r.Context(), e)
	if e.ID != "" { // also when it is unknown whether it was created
		x.w.Header().Set("Location", location(x.r)+"/"+url.PathEscape(e.ID))
	}
	if err != nil && e.ID != "" {
		return withCure(x.unavailable(err), "The endpoint may exist all the same. GET the path in the header Location: if that is a 404, "+
			"send this request again; otherwise rotate the endpoint's secret to get one.")
	}
	if err != nil {
		return err
	}
	return x.answerNewSecret(http.StatusCreated, &e)
}

// location is the path of the request as the client wrote it.
func location(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	return r.URL.EscapedPath()
}

func (x *exchange) getEndpoint() error {
	e, err := x.scope().Endpoint(x.r.Context(), x.r.PathValue("webhook_id"))
	if err != nil {
		return err
	}
	cond, err := x.condition("If-None-Match")
	if err != nil {
		return err
	}
	if cond == nil || e.Secret != "" {
		return x.answerEndpoint(&e)
	}
	tag, err := viewOf(&e).etag()
	if err != nil {
		return x.broken(err)
	}
	if !cond.isSame(tag) {
		return x.answerEndpoint(&e)
	}
	header := x.w.Header()
	header.Set("ETag", tag)
	header.Set("Cache-Control", "private, no-cache")
	x.w.WriteHeader(http.StatusNotModified)
	return nil
}

func (x *exchange) updateEndpoint() error {
	members, err := x.body(true, x.checkName)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		e, err := x.scope().Endpoint(x.r.Context(), x.r.PathValue("webhook_id"))
		if err != nil {
			return err
		}
		if err := x.ifMatch(&e); err != nil {
			return err
		}
		if len(members) == 0 {
			return x.answerEndpoint(&e)
		}
		if err := x.set(&e, members); err != nil {
			return err
		}
		e, err = x.scope().UpdateEndpoint(x.r.Context(), e)
		if err == nil {
			return x.answerEndpoint(&e)
		}
		if !errors.Is(err, webhook.ErrConflict) || try == updates {
			return err
		}
	}
}

func (x *exchange) deleteEndpoint() error {
	id := x.r.PathValue("webhook_id")
	cond, err := x.condition("If-Match")
	if err != nil {
		return err
	}
	version := int64(0) // any
	if cond != nil && !cond.any {
		e, err := x.scope().Endpoint(x.r.Context(), id)
		if err != nil {
			return err
		}
		if err := x.ifMatch(&e); err != nil {
			return err
		}
		version = e.Version
	}
	err = x.scope().DeleteEndpointVersion(x.r.Context(), id, version)
	if errors.Is(err, webhook.ErrConflict) {
		return changedMeanwhile("The endpoint was changed after you read it.")
	}
	if err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
