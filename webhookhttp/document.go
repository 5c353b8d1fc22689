package webhookhttp

import _ "embed" // of the document

// document describes the API in OpenAPI 3.1.
//
//go:embed openapi.yaml
var document []byte

func (x *exchange) getDocument() error {
	header := x.w.Header()
	header.Set("Content-Type", "application/yaml")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache")
	_, _ = x.w.Write(document) // the client may be gone
	return nil
}
