package engine

// A Dialect says how transactions run on one kind of database.
type Dialect struct {
	Name     string
	Renderer Renderer

	Prepare  string // prepares a session for a transaction; empty for none
	Begin    string
	Bounds   string // bounds of a transaction's waits and of its idle time, sent together with Begin
	Planner  string // settings of the planner, sent together with Begin
	NewPlans string // more settings: each statement is planned anew
	OldPlans string // more settings: the plan of a statement's first execution is kept
	Brief    string // more bounds, for a transaction that waits for others only a moment
	NoWait   string // more bounds, for a transaction that does not wait for others
	Linux    string // more bounds, for servers that run on Linux
	Commit   string
	Rollback string

	// OneWriter says that one transaction at a time writes, and that all others wait when they
	// begin.
	OneWriter bool

	// MissingTable is in the error that reports a missing table, if that error has no code of
	// its own.
	MissingTable string
}
