package interop

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/apicases"
)

func TestEveryRequestAndAnswerIsAsTheDocumentSays(t *testing.T) {
	api := load(t)
	apicases.Run(t, apicases.Options{Look: api.check})
}

func (api *apiDocument) check(t *testing.T, e *apicases.Exchange) {
	t.Helper()
	c := e.Case
	route, params, err := api.router.FindRoute(e.Request)
	if err != nil { // the table has requests to what there is not, and HEAD goes without saying
		assert.True(t, c.Status == http.StatusNotFound || c.Status == http.StatusMethodNotAllowed || c.Method == http.MethodHead, "%v", err)
		return
	}
	request := &openapi3filter.RequestValidationInput{
		Request: e.Request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
			SkipSettingDefaults: true, // which would replace null
		},
	}
	err = openapi3filter.ValidateRequest(t.Context(), request)
	switch {
	case c.Invalid:
		assert.Error(t, err, "the document allows the request")
	case c.Status < http.StatusBadRequest:
		assert.NoError(t, err, "the document does not allow the request")
	}
	assert.NotNil(t, route.Operation.Responses.Status(c.Status), "the status %d is not documented", c.Status)
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: e.Response.StatusCode, Header: e.Response.Header,
		Body: io.NopCloser(bytes.NewReader(e.Body)), Options: request.Options,
	}
	require.NoError(t, openapi3filter.ValidateResponse(t.Context(), response), "%s", e.Body)
	api.checkBody(t, route.Operation, e)
}

// checkBody validates the body of a response by its schema, under the rules of JSON Schema
// 2020-12. kin-openapi does so for some schemas only. checkBody also expects the schema to
// describe every member.
func (api *apiDocument) checkBody(t *testing.T, operation *openapi3.Operation, e *apicases.Exchange) {
	t.Helper()
	response := operation.Responses.Status(e.Response.StatusCode)
	if response == nil {
		response = operation.Responses.Default()
	}
	media := response.Value.Content.Get(e.Response.Header.Get("Content-Type"))
	if media == nil || !strings.HasSuffix(e.Response.Header.Get("Content-Type"), "json") || len(e.Body) == 0 {
		return
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Body))
	require.NoError(t, err)
	require.Contains(t, api.schemas, media.Schema.Ref, "every answer has a schema with a name")
	require.NoError(t, api.schemas[media.Schema.Ref].Validate(body))
	for _, path := range undescribed("", body, media.Schema.Value) {
		t.Errorf("the answer has %s, which is not described", path)
	}
}

// undescribed returns the members of a value that a schema does not describe.
func undescribed(at string, value any, schema *openapi3.Schema) []string {
	var found []string
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			property := describe(schema, name)
			if property == nil {
				found = append(found, at+"."+name)
				continue
			}
			found = append(found, undescribed(at+"."+name, member, property)...)
		}
	case []any:
		items := itemsOf(schema)
		if items == nil {
			return nil
		}
		for i, item := range value {
			found = append(found, undescribed(fmt.Sprintf("%s[%d]", at, i), item, items)...)
		}
	}
	return found
}

// describe returns the schema of a member, or nil if there is none. A schema without named
// members describes all.
func describe(schema *openapi3.Schema, name string) *openapi3.Schema {
	if property := schema.Properties[name]; property != nil {
		return property.Value
	}
	if additional := schema.AdditionalProperties.Schema; additional != nil {
		return additional.Value
	}
	for _, part := range schema.AllOf {
		if found := describe(part.Value, name); found != nil {
			return found
		}
	}
	if schema.AllOf == nil && schema.Properties == nil && schema.Required == nil {
		return schema
	}
	return nil
}

func itemsOf(schema *openapi3.Schema) *openapi3.Schema {
	if schema.Items == nil {
		return nil
	}
	return schema.Items.Value
}

func TestAnUndescribedMemberIsFound(t *testing.T) {
	schema := load(t).document.Components.Schemas["DeliveryWithAttempts"].Value
	value := map[string]any{"id": "x", "attempts": []any{map[string]any{"id": "x", "more": 1}}, "other": 1}
	assert.ElementsMatch(t, []string{".other", ".attempts[0].more"}, undescribed("", value, schema))
}
