package webhook

// isSuspended reports whether the operator has disabled the endpoint, which its tenant cannot undo.
func (e *Endpoint) isSuspended() bool {
	return e.State == EndpointDisabled && e.Reason == ReasonOperator
}

// checkNotSuspended refuses a tenant's change of a suspended endpoint.
func checkNotSuspended(e *Endpoint) error {
	if e.isSuspended() {
		return &FieldError{"Endpoint.Reason", "is operator: the endpoint is suspended", "ask the operator to lift the suspension"}
	}
	return nil
}

// nextReason returns the reason of an endpoint that is updated. e.Reason is what the caller
// passed, and only counts where the operator suspends an endpoint or leaves it to its tenant.
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
