package drivertest

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// A plan is how a database runs a statement.
type plan struct {
	query  string // without literals
	text   string // the output of EXPLAIN
	uses   []access
	sorted bool // rows are sorted after they have been read

	branches []*branch // of MariaDB: its SELECTs
}

// A branch is a SELECT of a plan that reads tables.
type branch struct {
	uses  []access
	empty bool // there are no rows, MariaDB says
}

// An access is how a plan finds the rows of a table.
type access struct {
	table   string
	index   string   // "" is a scan of the table
	columns []string // of the index, by which rows are found
}

// full reports that all rows are read, of the table or of an index.
func (a access) full() bool { return a.index == "" || len(a.columns) == 0 }

func (a access) String() string {
	if a.index == "" {
		return a.table + ": all rows"
	}
	return fmt.Sprintf("%s(%s)", a.index, strings.Join(a.columns, ","))
}

func (p *plan) String() string {
	return fmt.Sprintf("%s\nuses %v\n%s", p.query, p.uses, p.text)
}

func (p *plan) use(a access) {
	if !slices.ContainsFunc(p.uses, func(b access) bool { return a.String() == b.String() }) {
		p.uses = append(p.uses, a)
	}
}

var (
	blanks   = regexp.MustCompile(`\s+`)
	literals = regexp.MustCompile(`x'[0-9a-f]*'|\b\d{2,}\b|-\d+`)
	comments = regexp.MustCompile(`(?s)/\*.*?\*/`)
	unions   = regexp.MustCompile(`(UNION ALL SELECT [\d?, x'a-f-]+)+`)
	lists    = regexp.MustCompile(`\(\?(,\?)*\)(,\s*\(\?(,\?)*\))+`)
	quotes   = strings.NewReplacer(`"`, "", "`", "", "webhook_", "")
	forced   = regexp.MustCompile(` FORCE INDEX \(\w+\)`)
	deleted  = regexp.MustCompile(`^DELETE \w+ FROM (\w+)`)
	joined   = regexp.MustCompile(`^DELETE (\w+) FROM (\(SELECT .*\) AS v) STRAIGHT_JOIN (\w+) \w+ ON `) // as PostgreSQL has it
)

// shorten makes a statement readable, and the same for all its values.
func shorten(query string) string {
	const begin, end = 3000, 600
	if len(query) > begin+end { // the middle is a list
		query = query[:begin] + " … " + query[len(query)-end:]
	}
	query = strings.TrimSpace(blanks.ReplaceAllString(quotes.Replace(comments.ReplaceAllString(query, " ")), " "))
	query = joined.ReplaceAllString(forced.ReplaceAllString(query, ""), "DELETE FROM $3 $1 USING $2 WHERE ")
	query = deleted.ReplaceAllString(query, "DELETE FROM $1")
	query = unions.ReplaceAllString(query, "UNION ALL … ")
	query = lists.ReplaceAllString(literals.ReplaceAllString(query, "?"), "(?),…")
	return query[:min(len(query), 1500)]
}

// explain asks a database for the plan of a statement that is about to be run, on the same connection.
func (d database) explain(ctx context.Context, s *recorder.Statement, generic bool) (*plan, error) {
	p := &plan{query: shorten(s.Query)}
	switch d.name {
	case "postgres":
		return p, p.askPostgres(ctx, s, generic)
	case "mysql":
		return p, p.askMySQL(ctx, s)
	}
	return p, p.askSQLite(ctx, s)
}

// aliases are those that the store's statements give to tables.
var aliases = map[string]string{
	"q": "queue", "d": "deliveries", "a": "attempts", "b": "bodies", "s": "status", "p": "subscriptions", "r": "versions", "o": "outbox",
}

func (p *plan) tableOf(name string) string {
	name = strings.TrimPrefix(name, "webhook_")
	if name == "e" && strings.Contains(p.query, "endpoints e") {
		return "endpoints"
	} else if name == "e" {
		return "events"
	}
	if full, ok := aliases[name]; ok {
		return full
	}
	return name
}

// indexOf names the indexes that the databases name themselves.
func indexOf(name, table string) string {
	name = strings.TrimPrefix(name, "webhook_")
	switch {
	case name == "PRIMARY" || name == "PRIMARY KEY" || strings.HasSuffix(name, "_pkey") || strings.HasSuffix(name, "_1"):
		return "primary"
	case name == "tenant" || strings.HasSuffix(name, "tenant_id_key") || strings.HasSuffix(name, "_2"):
		return "tenant_id"
	}
	return strings.TrimPrefix(name, table+"_")
}

var (
	pgScan   = regexp.MustCompile(`(?:Index|Index Only) Scan(?: Backward)? using (\S+) on (\S+)|Bitmap Index Scan on (\S+)|(Seq Scan|Sample Scan) on (\S+)`)
	pgColumn = regexp.MustCompile(`\((?:\w+\.)?(\w+) (?:=|<|>|<=|>=) `)
)

func (p *plan) askPostgres(ctx context.Context, s *recorder.Statement, generic bool) error {
	rows, err := s.Ask(ctx, "EXPLAIN (COSTS OFF) "+s.Query, s.Args)
	if generic {
		rows, err = askGeneric(ctx, s)
	}
	if err != nil {
		return err
	}
	var lines []string
	var last *access
	keep := func() {
		if last != nil {
			p.use(*last)
		}
		last = nil
	}
	for _, row := range rows {
		line := fmt.Sprint(row[0])
		lines = append(lines, line)
		if strings.Contains(line, "Sort Key:") {
			p.sorted = true
		}
		if m := pgScan.FindStringSubmatch(line); m != nil {
			keep()
			switch {
			case m[1] != "":
				table := p.tableOf(m[2])
				last = &access{table: table, index: table + "." + indexOf(m[1], table)}
			case m[3] != "":
				table, _, _ := strings.Cut(strings.TrimPrefix(m[3], "webhook_"), "_")
				last = &access{table: table, index: table + "." + indexOf(m[3], table)}
			default:
				last = &access{table: p.tableOf(m[5])}
			}
		}
		if _, cond, ok := strings.Cut(line, "Index Cond: "); ok && last != nil {
			for _, m := range pgColumn.FindAllStringSubmatch(cond, -1) {
				if !slices.Contains(last.columns, m[1]) {
					last.columns = append(last.columns, m[1])
				}
			}
		}
	}
	keep()
	p.text = strings.Join(lines, "\n")
	return nil
}

// askGeneric asks for the plan that is kept for a prepared statement with any values.
func askGeneric(ctx context.Context, s *recorder.Statement) ([][]driver.Value, error) {
	values := make([]string, len(s.Args))
	for i, a := range s.Args {
		switch v := a.Value.(type) {
		case []byte:
			values[i] = fmt.Sprintf(`'\x%x'`, v)
		default:
			values[i] = "'" + strings.ReplaceAll(fmt.Sprint(v), "'", "''") + "'"
		}
	}
	execute := "EXPLAIN (COSTS OFF) EXECUTE asked"
	if len(values) > 0 {
		execute += "(" + strings.Join(values, ", ") + ")"
	}
	var plan [][]driver.Value
	for _, query := range []string{
		"PREPARE asked AS " + s.Query, "SET plan_cache_mode = force_generic_plan", execute, "RESET plan_cache_mode", "DEALLOCATE asked",
	} {
		rows, err := s.Ask(ctx, query, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
		if query == execute {
			plan = rows
		}
	}
	return plan, nil
}

// conditions finds the conditions in a plan of MariaDB. They have the bytes of values as they
// are, which is not JSON.
var conditions = regexp.MustCompile(`(?s)("(?:attached|index|having)_condition": )".*?"(,?\n\s*["}\]])`)

func (p *plan) askMySQL(ctx context.Context, s *recorder.Statement) error {
	rows, err := s.Ask(ctx, "EXPLAIN FORMAT=JSON "+comments.ReplaceAllString(s.Query, " "), s.Args)
	if err != nil {
		return err
	}
	p.text = conditions.ReplaceAllString(fmt.Sprint(rows[0][0]), `$1"?"$2`)
	var tree any
	if err := json.Unmarshal([]byte(p.text), &tree); err != nil {
		return err
	}
	p.text = literals.ReplaceAllString(p.text[:min(len(p.text), 6000)], "?")
	p.walkMySQL(tree, &branch{})
	p.branches = slices.DeleteFunc(p.branches, func(b *branch) bool { return !b.empty && len(b.uses) == 0 })
	return nil
}

func (p *plan) walkMySQL(node any, b *branch) {
	switch n := node.(type) {
	case []any:
		for _, one := range n {
			p.walkMySQL(one, b)
		}
	case map[string]any:
		if message, ok := n["message"].(string); ok && message != "No tables used" {
			b.empty = true
		}
		if _, sorts := n["filesort"]; sorts {
			p.sorted = true
		}
		name, _ := n["table_name"].(string)
		kind, _ := n["access_type"].(string)
		if name != "" && kind != "" && !strings.HasPrefix(name, "<") && p.tableOf(name) != "v" {
			table := p.tableOf(name)
			a := access{table: table}
			if key, ok := n["key"].(string); ok && kind != "index" && kind != "ALL" {
				if own, _, _ := strings.Cut(key, "_"); slices.Contains(tables, own) {
					a.table, table = own, own // two have the alias b
				}
				a.index = table + "." + indexOf(key, table)
				parts, _ := n["used_key_parts"].([]any)
				for _, part := range parts {
					a.columns = append(a.columns, fmt.Sprint(part))
				}
			}
			p.use(a)
			b.uses = append(b.uses, a)
		}
		for name, one := range n {
			in := b
			if name == "query_block" {
				in = &branch{}
				p.branches = append(p.branches, in)
			}
			p.walkMySQL(one, in)
		}
	}
}

var (
	liteScan = regexp.MustCompile(`^(SEARCH|SCAN) (\S+)(?: USING (?:COVERING )?(?:INDEX (\S+)|(PRIMARY KEY|INTEGER PRIMARY KEY)))?(?: \(([^)]*)\))?`)
	liteCond = regexp.MustCompile(`(\w+)[=<>]`)
)

func (p *plan) askSQLite(ctx context.Context, s *recorder.Statement) error {
	rows, err := s.Ask(ctx, "EXPLAIN QUERY PLAN "+s.Query, s.Args)
	if err != nil {
		return err
	}
	var lines, subqueries []string
	for _, row := range rows {
		line := fmt.Sprint(row[len(row)-1])
		if len(lines) < 100 {
			lines = append(lines, line)
		}
		if strings.Contains(line, "TEMP B-TREE FOR ORDER BY") || strings.Contains(line, "TEMP B-TREE FOR RIGHT PART OF ORDER BY") {
			p.sorted = true
		}
		if name, ok := strings.CutPrefix(line, "CO-ROUTINE "); ok {
			subqueries = append(subqueries, name)
		}
		m := liteScan.FindStringSubmatch(line)
		if len(m) > 4 && m[3]+m[4] == "" && slices.Contains(subqueries, m[2]) {
			continue // the rows of a subquery, whose own plan has a line of its own
		}
		if m == nil || strings.Contains(line, "CONSTANT ROW") || strings.Contains(line, "VALUES CLAUSE") {
			continue
		}
		table := p.tableOf(m[2])
		if slices.Contains([]string{"v", "l", "x"}, table) || strings.HasPrefix(table, "(") {
			continue
		}
		a := access{table: table}
		if name := m[3] + m[4]; name != "" {
			a.index = table + "." + indexOf(name, table)
		}
		for _, m := range liteCond.FindAllStringSubmatch(m[5], -1) {
			if !slices.Contains(a.columns, m[1]) {
				a.columns = append(a.columns, m[1])
			}
		}
		p.use(a)
	}
	p.text = strings.Join(lines, "\n")
	return nil
}
