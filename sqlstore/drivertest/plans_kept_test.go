package drivertest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// Claims, settlements and publications keep the plans of their statements. The tables may be
// empty when a statement is planned, and later hold any number of rows. All such statements are
// planned on empty tables here, and then measured on full ones. The pages that a statement
// reads may depend on the rows that it was asked for, and not on the size of the tables.
func TestPlansThatWereMadeOnEmptyTablesReadFewPages(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	now := time.Now().Truncate(time.Microsecond).UTC()
	kept := &keptPlans{seen: make(map[string]int)}
	run := func(s *sqlstore.Store, f *filler) {
		c := &caller{T: t, f: f, s: s, say: func(string) {}, now: now}
		c.publish()
		c.claimAndSettle()
	}

	dsn, f := full(t, now, 20_000, nil) // enough for every statement to be run
	d := postgres
	var err error
	d.driver, err = recorder.Register(d.driver, kept.collect)
	require.NoError(t, err)
	run(d.store(t, dsn, sqlstore.Options{}), f)
	require.Greater(t, len(kept.statements), 25)

	for _, variant := range []string{"never analyzed", "analyzed"} {
		t.Run(variant, func(t *testing.T) {
			m := &pageMeter{t: t, names: make(map[string]string), worst: make(map[string]measuredPlan)}
			d := postgres
			d.driver, err = recorder.Register(d.driver, m.watch)
			require.NoError(t, err)
			var s *sqlstore.Store
			_, f := full(t, now, 80_000, func(dsn string) {
				s = d.store(t, dsn, sqlstore.Options{})
				s.DB().SetMaxOpenConns(1) // the connection that has the plans
				kept.prepare(t, s.DB())
			})
			if variant == "analyzed" {
				f.analyze()
			}
			m.on = true
			run(s, f)
			m.report(kept.statements)
		})
	}
}

// full returns a database with 20,000 unfinished deliveries and more. It calls before while the
// tables are empty, and the server knows that they are.
//
// With 80,000 more, no lane becomes empty by the claims. The dead rows that empty lanes leave in
// the index would be pages to read, whatever the plan.
func full(t *testing.T, now time.Time, more int, before func(dsn string)) (dsn string, f *filler) {
	t.Helper()
	const endpoints = 1_000
	dsn = postgres.dsn(t)
	plain := postgres.store(t, dsn, sqlstore.Options{})
	require.NoError(t, plain.Migrate(t.Context()))
	f = postgres.fill(t, plain.DB(), now)
	for _, table := range tables { // the server would analyze them sooner or later
		f.exec("ALTER TABLE webhook_" + table + " SET (autovacuum_enabled = off)")
	}
	f.exec("VACUUM ANALYZE")
	if before != nil {
		before(dsn)
	}
	f.used()
	ms := f.usedMs("k.n", more)
	f.events(more, 0, ms, "2000000 + k.n", "k.n % 1000")
	f.insert(more, "queue "+soakQueue, fmt.Sprintf("%s, e.id, e.ref, e.ref, %d, 0, 0, 0, 1, 0, 0, 0, 0, 11, 1, ''",
		f.uid(ms, "2000000 + k.n"), now.UnixMicro()), fmt.Sprintf("JOIN filled e ON e.n = 200 + k.n %% %d WHERE", endpoints))
	return dsn, f
}

// keptPlans are the statements whose plans are kept.
type keptPlans struct {
	mu         sync.Mutex
	statements []recorder.Statement
	seen       map[string]int
}

func (k *keptPlans) collect(ctx context.Context, s recorder.Statement) {
	if !strings.Contains(s.Query, "webhook_") {
		return
	}
	mode, err := s.Ask(ctx, "SHOW plan_cache_mode", nil)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || mode[0][0] != "force_generic_plan" || k.seen[s.Query] > 0 {
		return
	}
	k.seen[s.Query]++
	k.statements = append(k.statements, s)
}

// prepare plans all statements on the only connection of a pool. Insertions come last, because
// they leave pages behind.
func (k *keptPlans) prepare(t *testing.T, db *sql.DB) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; "+
		"SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	for _, inserts := range []bool{false, true} {
		for _, s := range k.statements {
			if strings.HasPrefix(s.Query, "INSERT") != inserts {
				continue
			}
			require.NoError(t, runOnce(t.Context(), tx, &s), s.Query)
		}
	}
	require.NoError(t, tx.Rollback())
}

// runOnce runs a statement in a transaction and reads all its rows.
func runOnce(ctx context.Context, tx *sql.Tx, s *recorder.Statement) error {
	args := make([]any, len(s.Args))
	for i, a := range s.Args {
		args[i] = a.Value
	}
	rows, err := tx.QueryContext(ctx, s.Query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for more := true; more; {
		more = rows.Next()
	}
	return rows.Err()
}

// A pageMeter runs each statement with a kept plan once more before it runs, and measures it.
type pageMeter struct {
	t     *testing.T
	on    bool
	mu    sync.Mutex
	names map[string]string // of prepared statements, by their text
	worst map[string]measuredPlan
	count int
}

// A measuredPlan is one execution of a plan.
type measuredPlan struct {
	rows  int // of its arguments and its result, and those that it changed
	pages int
	text  string
}

// limit is the number of pages that a statement may read. A lookup reads four or five pages, and
// an insertion into a table with three indexes a few more.
func (m measuredPlan) limit() int { return 100 + 25*m.rows }

func (m *pageMeter) watch(ctx context.Context, s recorder.Statement) {
	if !m.on || !strings.Contains(s.Query, "webhook_") {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mode, err := s.Ask(ctx, "SHOW plan_cache_mode", nil)
	if err != nil || mode[0][0] != "force_generic_plan" {
		return
	}
	one, err := m.measure(ctx, &s)
	if !assert.NoError(m.t, err, s.Query) {
		return
	}
	m.count++
	key := shorten(s.Query)
	if worst, seen := m.worst[key]; !seen || one.pages*worst.limit() > worst.pages*one.limit() {
		m.worst[key] = one
	}
}

// measure runs the prepared statement with its kept plan, and takes its effects back.
func (m *pageMeter) measure(ctx context.Context, s *recorder.Statement) (one measuredPlan, err error) {
	if m.names[s.Query] == "" {
		rows, err := s.Ask(ctx, "SELECT name, statement FROM pg_prepared_statements", nil)
		if err != nil {
			return one, err
		}
		for _, row := range rows {
			m.names[row[1].(string)] = row[0].(string)
		}
	}
	name := m.names[s.Query]
	if name == "" {
		return one, fmt.Errorf("it was not planned on empty tables")
	}
	args := make([]string, len(s.Args))
	for i, a := range s.Args {
		args[i] = literal(a.Value)
		one.rows = max(one.rows, strings.Count(args[i], ",")+1)
	}
	for _, prepare := range []string{"SAVEPOINT measured", "SET LOCAL statement_timeout = '1min'"} { // a wrong plan takes minutes
		if _, err := s.Ask(ctx, prepare, nil); err != nil {
			return one, err
		}
	}
	rows, err := s.Ask(ctx, fmt.Sprintf(`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE "%s" (%s)`, name, strings.Join(args, ", ")), nil)
	if _, undone := s.Ask(ctx, "ROLLBACK TO measured", nil); err == nil {
		err = undone
	}
	if err != nil {
		return one, err
	}
	var plans []struct{ Plan pagedNode }
	if err := json.Unmarshal([]byte(rows[0][0].(string)), &plans); err != nil {
		return one, err
	}
	one.text = plans[0].Plan.tree(1)
	one.pages = plans[0].Plan.pages()
	one.rows += int(plans[0].Plan.Rows) + plans[0].Plan.changed()
	return one, nil
}

// literal writes a value of a statement in SQL.
func literal(v any) string {
	if b, is := v.([]byte); is {
		return fmt.Sprintf(`'\x%x'`, b)
	}
	return "'" + strings.ReplaceAll(fmt.Sprint(v), "'", "''") + "'"
}

// A pagedNode is a node of a plan that has been run.
type pagedNode struct {
	Type  string  `json:"Node Type"`
	Table string  `json:"Relation Name"`
	Index string  `json:"Index Name"`
	Rows  float64 `json:"Actual Rows"`
	Loops float64 `json:"Actual Loops"`
	Hit   int     `json:"Shared Hit Blocks"`
	Read  int     `json:"Shared Read Blocks"`

	Plans []pagedNode
}

// pages returns the pages that a node and those below it have read. A node's own number has
// those of the nodes below, except of insertions, which run when the node has ended.
func (n *pagedNode) pages() int {
	below := 0
	for i := range n.Plans {
		below += n.Plans[i].pages()
	}
	return max(n.Hit+n.Read, below)
}

// changed returns the number of rows that a node and those below it have changed.
func (n *pagedNode) changed() (rows int) {
	for i := range n.Plans {
		rows += n.Plans[i].changed()
	}
	if n.Type == "ModifyTable" && len(n.Plans) > 0 {
		rows += int(n.Plans[len(n.Plans)-1].Rows)
	}
	return rows
}

// tree describes the nodes, a line for each.
func (n *pagedNode) tree(depth int) string {
	lines := fmt.Sprintf("%*s%s %s %s: %.0f rows, %.0f times, %d pages\n", 2*depth, "", n.Type, n.Table, n.Index, n.Rows, n.Loops, n.Hit+n.Read)
	for i := range n.Plans {
		lines += n.Plans[i].tree(depth + 1)
	}
	return lines
}

var spaces = regexp.MustCompile(`\s+`)

// report fails for each statement that has read too many pages, and if more than two of the
// statements that were planned have not been run.
func (m *pageMeter) report(planned []recorder.Statement) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.worst))
	for query := range m.worst {
		names = append(names, query)
	}
	slices.Sort(names)
	for _, query := range names {
		one := m.worst[query]
		m.t.Logf("%5d pages for %4d rows: %s", one.pages, one.rows, spaces.ReplaceAllString(query[:min(len(query), 110)], " "))
		assert.LessOrEqual(m.t, one.pages, one.limit(), "pages for %d rows: %s\n%s", one.rows, query, one.text)
	}
	m.t.Logf("%d statements, run %d times", len(m.worst), m.count)
	var idle []string
	for i := range planned {
		if key := shorten(planned[i].Query); m.worst[key].text == "" {
			idle = append(idle, key)
		}
	}
	assert.LessOrEqual(m.t, len(idle), 2, "planned but not run: %q", idle)
}
