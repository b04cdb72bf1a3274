// Package defender is the Microsoft Defender for Endpoint input: one stream per
// resource (alerts, machines, machine actions, and the assessment lists:
// vulnerabilities, secure configuration, security baselines, information
// gathering), all read by one loop.
//
// A stream is put together in stream.go: the loop of package collect, the strategy
// that the resource names (package odata), the resource's list as the source of
// pages (package api does HTTP), and the resource's mapper. From there a record
// goes: api.Page > page.Next > mapping.Mapper (the resource's Read and Documents,
// then the policy's processors of package process) > batch > Publish, by the output
// > checkpoint. The last steps are the loop's: collect.Loop.sweep and Loop.read
// have them, and package component/output has the delivery. One more stream reads no
// resource: collector.go reports on the collector itself.
//
// Begin with resources.go: it lists the resources and says what one is. Then read
// one of their files, machine.go or alert.go. Each is an API struct, the tables of
// what goes where, and one function for each group of ECS fields; those of
// alerts are in alert_ecs.go and evidence_ecs.go. A new field is a line in the struct,
// one in a table, one in its test's table and one in the package's fields.csv; a new
// resource is a file, a line in resources.go and a capture.
//
// # Promises
//
//   - Conservation: every version of a record that the API returns is
//     published, or is a duplicate of what was published, or is published as a
//     pipeline_error document with the original. Nothing is dropped silently.
//   - Order: the saved place never passes a record that was not acknowledged.
//     It moves only after Publish returned nil for everything a complete,
//     verified page held.
//   - Liveness: when a fault heals, the next poll continues where the last
//     acknowledged page ended. A page that keeps breaking is asked for in
//     smaller pieces.
//   - Bounded memory: one record and at most one batch are held; never a page.
//   - Bounded state: the seen set holds what the overlap can return again, and has
//     a hard limit of a million records (collect.Retention states the bytes).
//
// The packages collect, odata and mapping say how they are kept.
//
// # Why a checkpoint is found by what is read
//
// The ids of inputs and streams change when a policy is upgraded, and a tenant
// stays. The key is cloud, tenant, resource and data stream: a renamed stream
// and another application continue, another tenant begins with its own look-back. A
// tenant that is named by a domain has the tenant id of its token. Two streams of one
// key would share a checkpoint, so that the second one is refused. Removing an
// input does not remove such a checkpoint, since the same may be read under
// another id already.
//
// # Why machines are read as snapshots, and their ids hold the time of one
//
// A machine's tags, risk and exposure change without its lastSeen, so there is no time
// to read by. Every interval all machines are read. A machine is published when its
// content differs from the snapshot before, or was published a full_interval ago. The id
// holds the content and the time of the last complete snapshot, which is saved: a
// snapshot repeated after a crash gives the same ids, and a machine that changes back
// gives a new document. Where the checkpoint is lost, every machine is published once
// more.
//
// # Why the assessment lists are read in three ways, and what reading again costs
//
// They have millions of rows and no time to be read by, so none of their rows is
// kept as seen (see package odata). What an unchanged row costs differs:
//
//	vulnerability          a document for each whole read, every full_interval: Kibana
//	                       counts findings of three days. Between that only changes.
//	configuration,         a document a day: Kibana's page of misconfigurations shows
//	baseline               26 hours. Further sweeps of a day send it, and it is known.
//	information_gathering  one document until it changes; each sweep sends it.
//
// A read that breaks off or is killed sends again what it had sent, under the same
// ids. A read of files continues with the files that are left. Where the data
// stream was rolled over meanwhile a row may be stored twice, which the transforms
// of the package do not mind: they keep the newest.
//
// The package must not know Elastic Agent, an output, or where a checkpoint is kept.
package defender
