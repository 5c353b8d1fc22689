package webhookhttp

// Routes are the methods and paths that are served, with the permission that each needs.
func Routes() map[string]Permission {
	list := make(map[string]Permission, len(routes))
	for _, rt := range routes {
		list[rt.method+" "+rt.path] = rt.permission
	}
	return list
}

// Document is the OpenAPI document.
func Document() string { return string(document) }
