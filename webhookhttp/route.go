package webhookhttp

import "net/http"

// A route is a method and a path below the prefix.
type route struct {
	method     string
	path       string
	permission Permission // empty: Authorize is not asked
	serve      func(*exchange) error
	parameters []string // names of the query parameters; nil: any
	maxBody    int      // bytes of the body; 0: it takes none
	ungated    bool     // it reads nothing, or has limits of its own
}

// Query parameters.
var (
	noParameters       = []string{}
	listParameters     = []string{"per_page", "cursor"}
	endpointParameters = []string{"per_page", "cursor", "health"}
	logParameters      = []string{"page", "per_page", "cursor", "event_id", "status_code", "from", "to"}
	deliveryParameters = []string{
		"per_page", "cursor", "endpoint_id", "event_id", "event_type", "state", "last_status", "last_class", "from", "to",
		"finished_from", "finished_to",
	}
	eventParameters = []string{"per_page", "cursor", "event_type", "from", "to"}
)

var routes = []route{
	{http.MethodGet, "/webhooks", PermissionRead, (*exchange).listEndpoints, endpointParameters, 0, false},
	{http.MethodPost, "/webhooks", PermissionWrite, (*exchange).createEndpoint, noParameters, maxBody, false},
	{http.MethodGet, "/webhooks/{webhook_id}", PermissionRead, (*exchange).getEndpoint, noParameters, 0, false},
	{http.MethodPatch, "/webhooks/{webhook_id}", PermissionWrite, (*exchange).updateEndpoint, noParameters, maxBody, false},
	{http.MethodDelete, "/webhooks/{webhook_id}", PermissionWrite, (*exchange).deleteEndpoint, noParameters, 0, false},
	{http.MethodPost, "/webhooks/{webhook_id}/test", PermissionTest, (*exchange).testEndpoint, noParameters, maxSmallBody, true},
	{http.MethodGet, "/webhooks/{webhook_id}/logs", PermissionDeliveries, (*exchange).listLogs, logParameters, 0, false},
	{http.MethodGet, "/webhooks/{webhook_id}/backlog", PermissionDeliveries, (*exchange).getBacklog, noParameters, 0, false},
	{http.MethodPost, "/webhooks/{webhook_id}/replay", PermissionRetry, (*exchange).replayEndpoint, noParameters, maxBody, false},
	{http.MethodPost, "/webhooks/{webhook_id}/secret/rotate", PermissionSecrets, (*exchange).rotateSecret, noParameters, maxSmallBody, false},
	{http.MethodGet, "/deliveries", PermissionDeliveries, (*exchange).listDeliveries, deliveryParameters, 0, false},
	{http.MethodGet, "/deliveries/{delivery_id}", PermissionDeliveries, (*exchange).getDelivery, noParameters, 0, false},
	{http.MethodPost, "/deliveries/{delivery_id}/retry", PermissionRetry, (*exchange).retryDelivery, noParameters, maxSmallBody, false},
	{http.MethodPost, "/deliveries/{delivery_id}/cancel", PermissionRetry, (*exchange).cancelDelivery, noParameters, maxSmallBody, false},
	{http.MethodPost, "/deliveries/retry", PermissionRetry, (*exchange).retryMany, noParameters, maxSmallBody, false},
	{http.MethodPost, "/deliveries/cancel", PermissionRetry, (*exchange).cancelMany, noParameters, maxSmallBody, false},
	{http.MethodGet, "/replays", PermissionDeliveries, (*exchange).listReplays, listParameters, 0, false},
	{http.MethodPost, "/replays", PermissionRetry, (*exchange).replayAll, noParameters, maxBody, false},
	{http.MethodGet, "/replays/{replay_id}", PermissionDeliveries, (*exchange).getReplay, noParameters, 0, false},
	{http.MethodDelete, "/replays/{replay_id}", PermissionRetry, (*exchange).cancelReplay, noParameters, 0, false},
	{http.MethodGet, "/events", PermissionDeliveries, (*exchange).listEvents, eventParameters, 0, false},
	{http.MethodGet, "/events/{event_id}", PermissionDeliveries, (*exchange).getEvent, noParameters, 0, false},
	{http.MethodDelete, "/events/{event_id}", PermissionRetry, (*exchange).cancelEvent, noParameters, 0, false},
	{http.MethodGet, "/event-types", PermissionRead, (*exchange).listEventTypes, noParameters, 0, true},
	{http.MethodGet, "/openapi.yaml", "", (*exchange).getDocument, noParameters, 0, true},
}
