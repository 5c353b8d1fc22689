package webhookhttp

import (
	"math"
	"net/http"

	"github.com/gowebhook/webhook"
)

func (x *exchange) listLogs() error {
	p, err := x.paging()
	if err != nil {
		return err
	}
	if err := p.pageNumber(); err != nil {
		return err
	}
	q := p.query()
	if q.EventID, err = p.id("event_id"); err != nil {
		return err
	}
	if q.Status, err = p.number("status_code", 100, 999); err != nil {
		return err
	}
	if err := p.between(&q); err != nil {
		return err
	}
	e, err := x.scope().Endpoint(x.r.Context(), x.r.PathValue("webhook_id"))
	if err != nil {
		return err
	}
	q.EndpointID, q.NoBodies = e.ID, true
	page, err := skip(q, p.page, func(q webhook.Query) (webhook.Page[webhook.Attempt], error) {
		return x.scope().Attempts(x.r.Context(), q)
	})
	if err != nil {
		return err
	}
	entries := make([]logJSON, len(page.Items))
	for i := range page.Items {
		entries[i] = logOf(&page.Items[i])
	}
	return x.answer(http.StatusOK, list[logJSON]{entries, optionalOf(page.Next)})
}

// pageNumber reads the parameter page.
func (p *paging) pageNumber() (err error) {
	if p.page, err = p.number("page", 1, math.MaxInt); err != nil {
		return err
	}
	switch {
	case p.page != 0 && p.cursor != "":
		return invalidParameter("page", "is there beside cursor", "send one of the two")
	case p.page > maxPaged/p.perPage:
		return useCursor("You can count pages of the latest 1,000 entries, and this page is beyond them.")
	}
	return nil
}
