// Command fleetpackage makes the Fleet integration package in ../package: what
// can be derived is derived, and the result is validated and zipped.
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
//   - sample events: the production mapping of a capture;
//   - docs: from _dev/build/docs, samples, field files and images;
//   - dashboards and their previews: both from dashboards.go, so that a preview
//     cannot show what the dashboard does not hold.
//
// Everything derived is committed, because Kibana's and Elastic's own tools read
// the package as it stands; TestNothingIsStale fails when a file differs from
// what would be written today.
//
// # Why templates are derived
//
// The three streams need the same connection settings, and Fleet's templates
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
package main
