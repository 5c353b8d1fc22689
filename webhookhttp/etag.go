package webhookhttp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook"
)

// etag returns the tag of an endpoint as it is shown, without its secret. The tag has the
// version and a digest. The digest covers the endpoint's health, which changes without a new
// version.
func (v *endpointJSON) etag() (string, error) {
	public := *v
	public.Secret = ""
	body, err := marshal(&public)
	if err != nil {
		return "", fmt.Errorf("encoding: %w", err)
	}
	sum := sha256.Sum256(body)
	return `"` + strconv.FormatInt(v.Version, 10) + "-" + hex.EncodeToString(sum[:8]) + `"`, nil
}

// A condition is an If-Match or If-None-Match.
type condition struct {
	any  bool
	tags []string // with quotes; weak ones with "W/"
}

// condition reads a header of the request. It returns nil if the header is missing.
func (x *exchange) condition(name string) (*condition, error) {
	values := x.r.Header.Values(name)
	if len(values) == 0 {
		return nil, nil
	}
	rest := strings.TrimSpace(strings.Join(values, ","))
	if rest == "*" {
		return &condition{any: true}, nil
	}
	malformed := refuse(http.StatusBadRequest, codeInvalidHeader, name, name+" is malformed",
		"send the ETag of an answer as it came, with its quotes")
	cond := &condition{}
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			break
		}
		weak := ""
		if after, ok := strings.CutPrefix(rest, "W/"); ok {
			weak, rest = "W/", after
		}
		if rest == "" || rest[0] != '"' {
			return nil, malformed
		}
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return nil, malformed
		}
		cond.tags = append(cond.tags, weak+rest[:end+2])
		rest = strings.TrimLeft(rest[end+2:], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, malformed
		}
	}
	if len(cond.tags) == 0 {
		return nil, malformed
	}
	return cond, nil
}

// isVersion reports whether a strong tag names the version. A change of health since then does
// not count, because a client cannot overwrite health.
func (cond *condition) isVersion(version int64) bool {
	if cond.any {
		return true
	}
	prefix := `"` + strconv.FormatInt(version, 10) + "-"
	for _, tag := range cond.tags {
		if strings.HasPrefix(tag, prefix) {
			return true
		}
	}
	return false
}

// isSame reports whether one of the tags equals tag, by weak comparison.
func (cond *condition) isSame(tag string) bool {
	if cond.any {
		return true
	}
	for _, t := range cond.tags {
		if strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// ifMatch refuses a change if the request's If-Match does not name the version of e.
func (x *exchange) ifMatch(e *webhook.Endpoint) error {
	cond, err := x.condition("If-Match")
	if err != nil || cond == nil || cond.isVersion(e.Version) {
		return err
	}
	return changedMeanwhile(fmt.Sprintf("The endpoint was changed after you read it. Its version is %d.", e.Version))
}

func changedMeanwhile(detail string) error {
	return refuse(http.StatusPreconditionFailed, codePreconditionFailed, "If-Match", detail,
		"Read the endpoint again, and repeat the request if it is still right.")
}
