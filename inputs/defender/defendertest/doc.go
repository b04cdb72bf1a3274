// Package defendertest is a simulated tenant: the Defender for Endpoint API (alerts,
// machines, machine actions, the assessment lists with their files) and the Entra token
// service that guards it, in one http.Handler. Tests run it in process with httptest,
// the demo command and the benchmarks run it as a server.
//
// A request comes to Tenant.ServeHTTP (tenant.go). Rules that match it may answer or
// spoil it (fault.go, bend.go); token.go gives tokens; a list is parsed (query.go,
// filter.go), looked up (collection.go) and written record by record (page.go), each
// by its resource's file (alert.go, machine.go, action.go). Start reading with
// Tenant.serveList.
//
// The assessment lists have files of their own: their rows (assessment.go, row.go), the
// pages (assessmentlist.go) and the exported files (export.go). Rules about OData
// queries do not apply to them; those about paths, answers and bodies do.
//
// # What a test can do with it
//
//   - New makes a tenant whose records follow from a seed alone.
//   - Add, Touch, Amend and Revise change it while it is read; AfterPage does so
//     between two pages; Options.Live makes alerts keep coming.
//   - ChangeRows, FixFindings, FindAgain and MoveFindings change the rows of the
//     assessment lists; ExpireLinks ends the links to their files.
//   - Fail breaks it by rule, Heal repairs it. A Rule says which requests, by
//     path, query, the size of the page or a record on it, and what becomes of
//     them: refused in any wording, an option ignored, the page sorted, cut,
//     slowed or written otherwise. Rules are joined by giving several.
//   - MoveClock, TouchAt and SetVisibilityDelay part its time from the client's.
//   - Records and Versions are the truth to compare with; Requests, Counts and
//     Unread show what was asked and what never was.
//
// # Invariants
//
//   - Equal seed, clock and calls give equal bytes.
//   - A record's id, creation time and machine never change; its version time
//     only moves when Touch or Add moves it.
//   - Hand-written records are served byte for byte, with one exception: the
//     value of an alert's "evidence" becomes [] unless it was asked for with
//     $expand, as with every other alert.
//   - No answer is held in memory. What is kept is 32 bytes a record and 4 for
//     the order in time, so that a million alerts fit in some 40 MB. The order
//     by id, and with Add, Touch and Amend a map of ids, are made when first
//     needed.
//   - Every time that the service decides on comes from Now: Options.Now, moved
//     by MoveClock.
//
// # What it must not know
//
// ECS, the collector, its client or its configuration. It is written from
// Microsoft's pages and captured answers, so that a mistake shared with the
// client cannot hide in it.
//
// # Why records are generated when they are served
//
// Stored encodings of a million alerts would take 3 GB, and a benchmark would
// measure this package's memory. Here a record is a sequence number and a few
// counters; its content is drawn from (seed, sequence number) each time. It
// costs some microseconds, because constant text is appended as such.
//
// # Why a fault may be worse than anything seen
//
// A double that behaves only as well as its author thinks of the service proves
// that the author agrees with himself. So each option can be refused, in each
// wording, and ignored. What real behaviour or which guess a fault represents is
// said beside it.
//
// # Why filters other than time and id read the encoded record
//
// A second description of every property would be a second truth. Time and id
// are in the index, and they are what a collector asks for; for the others the
// record is encoded and looked into, generated or hand-written alike.
//
// # Why it refuses what it does not know
//
// The real service ignores some unknown parameters. Here every unknown query
// option or property is an error, because in a test it is a misspelling. Of
// OData it knows comparisons joined by and/or (no parentheses or functions),
// $orderby, $top, $skip and $expand=evidence. $select and $count are left out:
// the collector has no use for them.
//
// # Why ties are in the order of ids
//
// The real order among equal times is unknown. A fixed order that is neither
// that of creation nor of the last change keeps tests repeatable, and differs
// from what a client might be tempted to assume.
package defendertest
