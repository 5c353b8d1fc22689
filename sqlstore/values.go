package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

const leaseGrace = int64(contract.LeaseGrace / time.Microsecond)

// clockSkew is how far the store time of one process may be ahead of another's, in
// microseconds. Two readings of the server's clock differ by milliseconds.
//
// Example: process A puts a delivery into its lane, due by A's time. B's time is 3 ms behind.
// B's claim takes the delivery all the same, because nothing else would tell B to come back in
// 3 ms.
const clockSkew = int64(2 * time.Second / time.Microsecond)

// micros returns a time as it is stored: microseconds since 1970, and 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func at(t time.Time) cell { return num(micros(t)) }

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// always is fromMicros for times that are never the zero time.
func always(us int64) time.Time { return time.UnixMicro(us).UTC() }

// refOf returns the identity of an endpoint over all tenants, in 16 bytes. It is a digest, so
// it is known without asking the database. It is also the name of the endpoint's lane.
func refOf(key webhook.EndpointKey) uuid.UUID {
	h := make([]byte, 0, 128)
	h = binary.BigEndian.AppendUint32(h, uint32(len(key.Tenant)))
	h = append(append(h, key.Tenant...), key.ID...)
	sum := sha256.Sum256(h)
	ref := laneFor(uuid.UUID(sum[:16]))
	if ref == zeroID { // the zero lane belongs to waiting deliveries
		ref[0] = 1
	}
	return ref
}

// contentHash returns a hash that shows whether two events with one id are equal.
func contentHash(r *webhook.EventRecord) []byte {
	h := sha256.New()
	var n [8]byte
	for _, part := range []string{r.Type, r.Channel} {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Write(r.Data)
	return h.Sum(nil)
}

// An id scans a UUID in all forms in which drivers return it.
type id uuid.UUID

func (i *id) Scan(v any) error {
	var raw []byte
	switch v := v.(type) {
	case string:
		raw = []byte(v)
	case []byte:
		raw = v
	case [16]byte:
		*i = v
		return nil
	case nil:
		*i = id{}
		return nil
	default:
		return fmt.Errorf("sqlstore: a UUID came as %T", v)
	}
	switch len(raw) {
	case 16:
		copy(i[:], raw)
		return nil
	case 36:
		var flat [32]byte
		copy(flat[0:8], raw[0:8])
		copy(flat[8:12], raw[9:13])
		copy(flat[12:16], raw[14:18])
		copy(flat[16:20], raw[19:23])
		copy(flat[20:32], raw[24:36])
		_, err := hex.Decode(i[:], flat[:])
		return err
	}
	return fmt.Errorf("sqlstore: a UUID came with %d bytes", len(raw))
}

func (i id) uid() uuid.UUID { return uuid.UUID(i) }

// Columns with several values are JSON. Headers and secrets may contain any bytes, so their
// values are base64.

func formatStrings(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return toJSON(list)
}

func parseStrings(s string) (list []string, err error) {
	if s == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(s), &list)
	return list, err
}

func formatMetadata(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	return toJSON(m)
}

func parseMetadata(s string) (m map[string]string, err error) {
	if s == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(s), &m)
	return m, err
}

func formatMap[V ~string](m map[string]V) string {
	if len(m) == 0 {
		return ""
	}
	raw := make(map[string][]byte, len(m))
	for k, v := range m {
		raw[k] = []byte(v)
	}
	return toJSON(raw)
}

func parseMap[V ~string](s string) (map[string]V, error) {
	if s == "" {
		return nil, nil
	}
	var raw map[string][]byte
	if err := json.Unmarshal([]byte(s), &raw); err != nil {
		return nil, err
	}
	m := make(map[string]V, len(raw))
	for k, v := range raw {
		m[k] = V(v)
	}
	return m, nil
}

// secretRow is a secret as it is stored.
type secretRow struct {
	Value   []byte `json:"value"`
	Created int64  `json:"created_at"`
	Expires int64  `json:"expires_at,omitempty"`
	Public  string `json:"public_key,omitempty"`
}

func formatSecrets(list []webhook.EndpointSecret) string {
	if len(list) == 0 {
		return ""
	}
	rows := make([]secretRow, len(list))
	for i, s := range list {
		rows[i] = secretRow{[]byte(s.Value), micros(s.CreatedAt), micros(s.ExpiresAt), s.PublicKey}
	}
	return toJSON(rows)
}

func parseSecrets(s string) ([]webhook.EndpointSecret, error) {
	if s == "" {
		return nil, nil
	}
	var rows []secretRow
	if err := json.Unmarshal([]byte(s), &rows); err != nil {
		return nil, err
	}
	list := make([]webhook.EndpointSecret, len(rows))
	for i, r := range rows {
		list[i] = webhook.EndpointSecret{
			Value: webhook.Secret(r.Value), CreatedAt: fromMicros(r.Created), ExpiresAt: fromMicros(r.Expires), PublicKey: r.Public,
		}
	}
	return list, nil
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: " + err.Error()) // strings, numbers and bytes
	}
	return string(b)
}

// sought returns a text that ids are compared with. No id contains the characters that plain
// replaces, so a text with such characters matches no id.
func sought(s string) cell { return text(plain(s)) }

// plain makes a text storable in every database. PostgreSQL takes neither NUL nor invalid
// UTF-8.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
