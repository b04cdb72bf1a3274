package defendertest

import (
	"fmt"
	"iter"
	"time"
)

// Assessment is a list that the service computes every few hours, with a row for
// each device and thing that was looked at.
type Assessment int

// The assessments that a tenant serves.
const (
	Vulnerabilities Assessment = iota
	Configurations
	Baselines
	Gathered // a row for each device, files only
)

// Assessments lists them.
func Assessments() []Assessment {
	return []Assessment{Vulnerabilities, Configurations, Baselines, Gathered}
}

// assessmentKind is how the assessments differ. Paths are compared without
// letter case: the pages are not of one mind about it.
type assessmentKind struct {
	list, changes, files string // names below /api/machines/, "" where there is none
	folder               string // of the files
	roles                []string
	append               func(w *rowWriter, r row)
}

var assessmentKinds = [...]assessmentKind{
	Vulnerabilities: {
		list: "SoftwareVulnerabilitiesByMachine", changes: "SoftwareVulnerabilityChangesByMachine", files: "SoftwareVulnerabilitiesExport",
		folder: "VaExport", roles: []string{"Vulnerability.Read.All"}, append: appendFinding,
	},
	Configurations: {
		list: "SecureConfigurationsAssessmentByMachine", files: "SecureConfigurationsAssessmentExport",
		folder: "ScaExport", roles: []string{"Vulnerability.Read.All"}, append: appendConfiguration,
	},
	Baselines: {
		list: "BaselineComplianceAssessmentByMachine", files: "BaselineComplianceAssessmentExport",
		folder: "BaselineExport", roles: []string{"SecurityBaselinesAssessment.Read.All"}, append: appendBaseline,
	},
	Gathered: {
		files: "InfoGatheringExport", folder: "InfoGathering", roles: []string{"Vulnerability.Read.All"}, append: appendGathered,
	},
}

// table holds the rows of an assessment. They are numbered: device by device. What
// they say follows from their number and from what changed, so that rows cost no
// memory. Its caller holds the tenant's lock.
type table struct {
	kind      Assessment
	world     *world
	perDevice int
	rows      int
	started   ticks
	changes   []rowChange         // the oldest first
	ofRow     map[uint32][]uint32 // places in changes
}

// The status of a change.
const (
	statusNew     = "New"
	statusFixed   = "Fixed"
	statusUpdated = "Updated"
)

// rowChange is a change of a row.
type rowChange struct {
	at     ticks
	row    uint32
	status string
	group  int // of its device from then on
}

// row is one row in one of its states.
type row struct {
	*table
	number   uint32
	revision int    // changes so far
	group    int    // index of groups
	changed  ticks  // when it changed last; the tenant's start where it never did
	status   string // of the change that is shown; "" in a list
	gone     bool   // it is not in the list: the finding is fixed
}

func (r row) device() uint32 { return r.number / uint32(max(r.perDevice, 1)) }

// newTables makes the tables of a tenant.
func newTables(o Options, w *world, started ticks) []*table {
	var tables []*table
	for kind, perDevice := range [...]int{o.Vulnerabilities, o.Configurations, o.Baselines, 1} {
		tables = append(tables, &table{
			kind: Assessment(kind), world: w, perDevice: perDevice, rows: perDevice * o.Machines, started: started, ofRow: map[uint32][]uint32{},
		})
	}
	return tables
}

// at is a row as it is after so many changes of the table.
func (t *table) at(number uint32, generation int) row {
	r := row{table: t, number: number, changed: t.started}
	d := throw(t.world.seed, streamAssessment, uint64(r.device()))
	r.group = d.below(len(groups))
	for _, place := range t.ofRow[number] {
		if int(place) < generation {
			c := t.changes[place]
			r.group, r.changed, r.gone = c.group, c.at, c.status == statusFixed
			r.revision++
		}
	}
	return r
}

// change is the row that shows a change.
func (t *table) change(place int) row {
	c := t.changes[place]
	r := t.at(c.row, place+1)
	r.status, r.gone = c.status, false
	return r
}

func (t *table) note(at ticks, r row, status string, group int) {
	t.ofRow[r.number] = append(t.ofRow[r.number], uint32(len(t.changes)))
	t.changes = append(t.changes, rowChange{at, r.number, status, group})
}

// ChangeRows changes rows, by their numbers: findings get another score, rules
// another result, and devices another state.
func (t *Tenant) ChangeRows(a Assessment, rows ...int) error {
	return t.changeRows(a, rows, func(table *table, r row, now ticks) {
		table.note(now, r, statusUpdated, r.group)
	})
}

// FixFindings takes findings out of the list, and FindAgain puts them back.
func (t *Tenant) FixFindings(rows ...int) error {
	return t.changeRows(Vulnerabilities, rows, func(table *table, r row, now ticks) {
		table.note(now, r, statusFixed, r.group)
	})
}

// FindAgain puts findings back that were fixed.
func (t *Tenant) FindAgain(rows ...int) error {
	return t.changeRows(Vulnerabilities, rows, func(table *table, r row, now ticks) {
		table.note(now, r, statusNew, r.group)
	})
}

// MoveFindings moves findings to the next device group: each is listed twice, with
// one id, Fixed in the old group and New in the new one (API.md 8.2).
func (t *Tenant) MoveFindings(rows ...int) error {
	return t.changeRows(Vulnerabilities, rows, func(table *table, r row, now ticks) {
		table.note(now, r, statusFixed, r.group)
		table.note(now, r, statusNew, (r.group+1)%len(groups))
	})
}

func (t *Tenant) changeRows(a Assessment, rows []int, change func(*table, row, ticks)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	table, now := t.tables[a], toTicks(t.Now())
	for _, n := range rows {
		if n < 0 || n >= table.rows {
			return fmt.Errorf("row %d of %d", n, table.rows)
		}
		change(table, table.at(uint32(n), len(table.changes)), now)
	}
	return nil
}

// Rows are how many rows an assessment has, those included that are fixed.
func (t *Tenant) Rows(a Assessment) int { return t.tables[a].rows }

// RowBodies are the rows of an assessment as its list shows them now, or its files
// do, byte for byte.
func (t *Tenant) RowBodies(a Assessment, files bool) iter.Seq[string] {
	t.mu.Lock()
	table, generation := t.tables[a], len(t.tables[a].changes)
	t.mu.Unlock()
	return t.bodies(table, files, table.rows, func(n int) row { return table.at(uint32(n), generation) })
}

// ChangeBodies are all changes of an assessment, as its list of changes shows them.
func (t *Tenant) ChangeBodies(a Assessment) iter.Seq[string] {
	t.mu.Lock()
	table, generation := t.tables[a], len(t.tables[a].changes)
	t.mu.Unlock()
	return t.bodies(table, false, generation, func(n int) row { return table.change(n) })
}

func (t *Tenant) bodies(table *table, files bool, count int, at func(int) row) iter.Seq[string] {
	return func(yield func(string) bool) {
		for n := range count {
			t.mu.Lock()
			r := at(n)
			t.mu.Unlock()
			w := rowWriter{file: files}
			if w.row(r); !r.gone && !yield(string(w.b)) {
				return
			}
		}
	}
}

// slot is how often the service repeats an assessment.
const slot = 6 * time.Hour

// made is when the service made the assessment that it shows.
func (t *Tenant) made() time.Time { return t.Now().UTC().Truncate(slot) }
