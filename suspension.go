package webhook

// checkNotSuspended refuses a tenant's change of a suspended endpoint.
func checkNotSuspended(e *Endpoint) error {
	if e.isSuspended() {
		return &FieldError{"Endpoint.Reason", "is operator: the endpoint is suspended", "ask the operator to lift the suspension"}
	}
	return nil
}

// nextReason returns the reason of an updated endpoint. e.Reason comes from the caller. It
// counts only when the operator suspends an endpoint. When the operator updates a suspended
// endpoint with any other reason, the tenant gets it back, with ReasonCustomer.
func nextReason(e, old *Endpoint, operator bool) Reason {
	switch {
	case e.State != EndpointDisabled:
		return ""
	case operator && e.Reason == ReasonOperator:
		return ReasonOperator
	case operator && old.isSuspended(), old.State != EndpointDisabled:
		return ReasonCustomer
	default:
		return old.Reason
	}
}
