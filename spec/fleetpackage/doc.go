// Command fleetpackage makes the Fleet integration package in ../package: what
// can be derived is derived, and the result is validated and zipped, once for each
// edition.
//
//	go run . [-o DIR]
//
// It is a module of its own, so that the component's go.mod stays free of what
// only the package's making needs.
//
// # What is derived from what
//
//   - field files: from fields.csv and from what the production mapping makes
//     of the captures in testdata;
//   - stream.yml.hbs of each data stream: from the variables in the manifests;
//   - the detection rule: from rule.yml;
//   - sample events: the production mapping of a capture;
//   - docs: from _dev/build/docs, samples, field files and images;
//   - dashboards and their previews: both from dashboards.go, so that a preview
//     cannot show what the dashboard does not hold.
//
// Everything derived is committed, because Kibana's and Elastic's own tools read
// the package as it is; TestNothingIsStale fails when a file differs from
// what would be written today.
//
// # Why there are two editions
//
// Since 8.19.22, 9.4 and 9.5 Kibana refuses an uploaded package whose name is in
// Elastic's registry (validate_package_upload.ts of its Fleet plugin), so the
// package has a name of its own, and each data stream states its dataset: Elastic's
// rules and dashboards and Kibana's response actions read those. Older Kibana, one
// that is air-gapped and one with another registry take the edition under the name
// of Elastic's package too, which keeps links and bookmarks. Both are made of one
// source; edition.go puts the name into manifest, saved objects, references and
// pages. TestUpload holds both zips against Kibana's rules.
//
// # Why the input's template sets the runtime
//
// An agent can be configured to run all inputs in its collector (AGENT.md 6). It finds
// no receiver for ours and fails as a whole. The input's own setting wins over the
// agent's.
//
// # Why templates are derived
//
// All streams need the same connection settings, and Fleet's templates
// have no includes. A variable in a manifest that no template renders is the
// usual fault of a package; here it cannot happen.
//
// # Why descriptions of ECS fields are our own
//
// The package refers to ECS by "external: ecs". Kibana does not resolve that, so
// the zip must hold types and descriptions; fields.csv has both, and a test
// compares the types with the facts in testdata/ecs.
//
// # Why previews are drawn and not photographed
//
// No Kibana is at hand where the package is made. The previews are drawn from
// the records of the simulated tenant and say so.
//
// # Why the detection rule looks for new terms
//
// An alert has a document for each evidence item and each update, and must be one
// Elastic alert. A query rule with suppression by event.id and cloud.account.id would
// count the documents on its alert, and reopen nothing; but suppression needs a Platinum
// licence, and below it the rule ignores the block without a word: three items and four
// updates are twelve alerts. A threshold rule forgets what lies before its look-back. A
// new_terms rule on the same two fields raises one alert on every licence, from the
// first document, also after an analyst closed it. The price: an update does not change
// the alert, which is what latest_alert is for; an update after history_window_start (90
// days) is an alert once more; a record without an id raises none; and of documents that
// were ingested in the same second the search may, in the overlap of two runs, find
// another one first, which makes a second alert. The test TestEngineOneAlert of
// inputs/defender runs the rule's searches on a search engine.
//
// Elastic's own rule External Alerts reads the data stream as well. That rule belongs to
// the user, so our rule's setup says what to exclude.
//
// # Why the latest alerts are not in logs-*
//
// External Alerts and Kibana's security pages read logs-*, where the latest state
// of an alert would be an alert once more. The latest machine actions are there,
// because Elastic's dashboards look for them by labels.is_transform_source.
//
// # Why the latest alert is sorted by its update time
//
// @timestamp is the creation of the alert unless the policy says otherwise, and
// equal in all updates; event.ingested is cut to seconds by Fleet's pipeline.
//
// # Why the findings' transforms have the alias of Elastic's package
//
// Kibana's pages read every alias of the form security_solution-*.vulnerability_latest.
// With a name of our own they would show each finding twice where Elastic's transform
// is still there; a transform takes its alias away from the index that had it. The
// index has a name of its own, as its mapping is ours.
//
// # Why one of them runs as Kibana's user
//
// Elasticsearch lets that user read the data stream of vulnerabilities, and delete its
// old indices: hence a lifecycle policy for it too, with the edition's name in its
// own, as Fleet names it. It may do neither with configuration and baselines.
//
// # Why a finding is known by what it is about
//
// The id of its row has several forms. The device group is left out, since a machine
// that moves keeps its findings; so the order has to show which of the two documents
// of a move is the newer one, and the mapping dates what is open a millisecond later.
package main
