package profile

import "encoding/json"

// member returns the value of a member of a JSON object. It returns nil if data is no object or
// has no such member.
func member(data []byte, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return nil
	}
	return members[name]
}
