package memstore

import (
	"cmp"
	"slices"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/versions"
)

// A version has the endpoint's settings that bodies are made from. Deliveries keep the version
// under which they were made. The fields are set when the next version comes.
type version struct {
	number   int64
	url      string
	profile  string
	metadata map[string]string

	deliveries int // unfinished deliveries that were made under it
	mark       uint64
}

// spareVersions is the number of earlier versions that are kept without a delivery that needs
// them. They are kept because an endpoint may change between Match and Publish.
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

// thin forgets versions that are not needed, except spareVersions of them.
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

// bind records that an unfinished delivery needs the version under which it was made. If that
// version was forgotten while the delivery was finished, the delivery gets the present version.
func (e *endpoint) bind(d *delivery) {
	if e.tombstone {
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

// unbind records that the delivery does not need its version.
func (e *endpoint) unbind(d *delivery) {
	v := d.made
	if v == nil {
		return
	}
	d.made = nil
	if v.deliveries--; v.deliveries == 0 && !e.tombstone && v.number != e.Version {
		e.thin()
	}
}
