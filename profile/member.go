package profile

import "encoding/json"

// member returns the value of a member of a JSON object, or nil if it has none of that name, or is no object.
func member(data []byte, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return nil
	}
	return members[name]
}
