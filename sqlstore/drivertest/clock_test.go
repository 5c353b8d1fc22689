package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/servers"
)

// In the hour before summer time ends, a server's local time is ambiguous.
func TestStoreTimeIsRightInTheHourThatLocalTimeRepeats(t *testing.T) {
	onlyInCI(t)
	ends := time.Now().UTC().Add(time.Hour + 30*time.Minute) // in summer time, an hour ahead
	first := time.Date(ends.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
	t.Setenv("TZ", fmt.Sprintf("STD0DST-1,0/0,%d/%s", int(ends.Sub(first)/day), ends.Format("15:04")))
	db := mysql.open(t, servers.StartMariaDB(t).DSN())
	var ahead int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())").Scan(&ahead))
	require.Equal(t, 60, ahead, "the server has summer time")
	s, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Options{})
	require.NoError(t, err)
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), now, time.Minute)
}
