package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Clones are endpoints that are made in SQL, because creating so many takes minutes.
type clones struct {
	of        endpoint
	from, to  int // numbers
	perTenant int
	at        addresses
}

// cloneEndpoints copies all rows of an endpoint that the library has created, whatever tables they are in, and changes what
// tells endpoints apart.
func cloneEndpoints(ctx context.Context, db *sql.DB, c clones) error {
	var ref string
	if err := db.QueryRowContext(ctx, "SELECT ref FROM webhook_endpoints WHERE tenant = $1 AND id = $2", c.of.Tenant, c.of.ID).Scan(&ref); err != nil {
		return fmt.Errorf("clone endpoints: %w", err)
	}
	tables, err := tablesWithRef(ctx, db)
	if err != nil {
		return fmt.Errorf("clone endpoints: %w", err)
	}
	for _, table := range tables {
		// A ref is the beginning of the SHA-256 of the tenant's length, the tenant and the id.
		statement := fmt.Sprintf(`INSERT INTO %[1]s SELECT r.* FROM %[1]s e
			CROSS JOIN generate_series($2::int, $3::int) n
			CROSS JOIN LATERAL (SELECT 'tenant_' || n / $4::int AS tenant, 'h' || n AS id) k
			CROSS JOIN LATERAL jsonb_populate_record(e, jsonb_build_object(
				'tenant', k.tenant, 'id', k.id, 'endpoint_id', k.id, 'url', $5::text || n,
				'ref', encode(substr(sha256(int4send(length(k.tenant)) || convert_to(k.tenant || k.id, 'UTF8')), 1, 16), 'hex'))) r
			WHERE e.ref = $1`, table)
		if _, err := db.ExecContext(ctx, statement, ref, c.from, c.to-1, c.perTenant, strings.TrimSuffix(endpointURL(c.at, 0), "0")); err != nil {
			return fmt.Errorf("clone endpoints: %s: %w", table, err)
		}
	}
	return nil
}

func tablesWithRef(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT table_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name LIKE 'webhook\_%' AND column_name = 'ref'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		tables = append(tables, name)
	}
	if len(tables) == 0 {
		return nil, errors.New("no table has a column ref")
	}
	return tables, rows.Err()
}
