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

func (c *call) listEndpoints() error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	q := p.query()
	q.MaxBytes = maxListBytes
	page, err := c.scope().Endpoints(c.r.Context(), q)
	if err != nil {
		return err
	}
	views, err := c.views(page.Items...)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Secret != "" {
			c.w.Header().Set("Cache-Control", "no-store")
		}
	}
	return c.answer(http.StatusOK, list[*endpointJSON]{views, optionalOf(page.Next)})
}

func (c *call) createEndpoint() error {
	members, err := c.body(true, c.checkName)
	if err != nil {
		return err
	}
	e := webhook.Endpoint{State: webhook.EndpointActive}
	if err := c.set(&e, members); err != nil {
		return err
	}
	e, err = c.scope().CreateEndpoint(c.r.Context(), e)
	if e.ID != "" { // also when it is unknown whether it was created
		c.w.Header().Set("Location", location(c.r)+"/"+url.PathEscape(e.ID))
	}
	if err != nil && e.ID != "" {
		return withCure(c.unavailable(err), "The endpoint may exist all the same. GET the path in the header Location: if that is a 404, "+
			"send this request again; otherwise rotate the endpoint's secret to get one.")
	}
	if err != nil {
		return err
	}
	return c.answerNewSecret(http.StatusCreated, &e)
}

// location is the path of the request as the client wrote it.
func location(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	return r.URL.EscapedPath()
}

func (c *call) getEndpoint() error {
	e, err := c.scope().Endpoint(c.r.Context(), c.r.PathValue("webhook_id"))
	if err != nil {
		return err
	}
	cond, err := c.condition("If-None-Match")
	if err != nil {
		return err
	}
	if cond == nil || e.Secret != "" {
		return c.answerEndpoint(&e)
	}
	tag, err := viewOf(&e).etag()
	if err != nil {
		return c.broken(err)
	}
	if !cond.isSame(tag) {
		return c.answerEndpoint(&e)
	}
	header := c.w.Header()
	header.Set("ETag", tag)
	header.Set("Cache-Control", "private, no-cache")
	c.w.WriteHeader(http.StatusNotModified)
	return nil
}

func (c *call) updateEndpoint() error {
	members, err := c.body(true, c.checkName)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		e, err := c.scope().Endpoint(c.r.Context(), c.r.PathValue("webhook_id"))
		if err != nil {
			return err
		}
		if err := c.ifMatch(&e); err != nil {
			return err
		}
		if len(members) == 0 {
			return c.answerEndpoint(&e)
		}
		if err := c.set(&e, members); err != nil {
			return err
		}
		e, err = c.scope().UpdateEndpoint(c.r.Context(), e)
		if err == nil {
			return c.answerEndpoint(&e)
		}
		if !errors.Is(err, webhook.ErrConflict) || try == updates {
			return err
		}
	}
}

func (c *call) deleteEndpoint() error {
	id := c.r.PathValue("webhook_id")
	cond, err := c.condition("If-Match")
	if err != nil {
		return err
	}
	version := int64(0) // any
	if cond != nil && !cond.any {
		e, err := c.scope().Endpoint(c.r.Context(), id)
		if err != nil {
			return err
		}
		if err := c.ifMatch(&e); err != nil {
			return err
		}
		version = e.Version
	}
	err = c.scope().DeleteEndpointVersion(c.r.Context(), id, version)
	if errors.Is(err, webhook.ErrConflict) {
		return changedMeanwhile("The endpoint was changed after you read it.")
	}
	if err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
