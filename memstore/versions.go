package memstore

import (
	"cmp"
	"slices"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/versions"
)

// A version is what deliveries were made under: what an endpoint said of how a body is made. The fields are set when the
// next version comes.
type version struct {
	number   int64
	url      string
	profile  string
	metadata map[string]string

	deliveries int // unfinished ones that were made under it
	mark       uint64
}

// spareVersions is how many earlier versions are kept although no delivery needs them: between Match and Publish the
// endpoint may change.
const spareVersions = 4

func (v *version) snapshot(e *endpoint) webhook.Endpoint {
	return webhook.Endpoint{
		ID: e.ID, Tenant: e.Tenant, Version: v.number, URL: v.url, Profile: v.profile, Metadata: v.metadata,
	}
}

func (e *endpoint) present() *version { return e.versions[len(e.versions)-1] }

// supersede begins the next version, at a time in microseconds.
func (e *endpoint) supersede(now int64) {
	old := e.present()
	old.url, old.profile, old.metadata = e.URL, e.Profile, e.Metadata
	e.Version = versions.Next(e.Version, now)
	e.versions = append(e.versions, &version{number: e.Version})
	e.thin()
}

// thin forgets what is needed no more.
func (e *endpoint) thin() {
	spare := 0
	for i := len(e.versions) - 2; i >= 0; i-- {
		if e.versions[i].deliveries > 0 {
			continue
		}
		if spare++; spare > spareVersions {
			e.versions = slices.Delete(e.versions, i, i+1)
		}
	}
}

// bind says that the delivery, which is unfinished, needs the version under which it was made. If that is not kept any
// more, because the delivery had finished, it is as if made under the present one.
func (e *endpoint) bind(d *delivery) {
	if e.gone {
		return
	}
	d.made = e.present()
	if d.version != d.made.number {
		i, found := slices.BinarySearchFunc(e.versions, d.version, func(v *version, n int64) int { return cmp.Compare(v.number, n) })
		if found {
			d.made = e.versions[i]
		}
		d.version = d.made.number
	}
	d.made.deliveries++
}

// unbind says that the delivery needs its version no longer.
func (e *endpoint) unbind(d *delivery) {
	v := d.made
	if v == nil {
		return
	}
	d.made = nil
	if v.deliveries--; v.deliveries == 0 && !e.gone && v.number != e.Version {
		e.thin()
	}
}
