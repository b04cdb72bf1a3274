package main

// The dashboards of findings: the latest states from the transforms that Kibana's
// own pages read, and from the data streams what changed.

const (
	vulnerabilityPrefix = "microsoft_defender_endpoint.vulnerability."
	evaluation          = "result.evaluation"
)

var (
	findingColours    = []paint{{"Critical", red}, {"High", orange}, {"Medium", yellow}, {"Low", green}, {missing, grey}}
	exploitColours    = []paint{{"ExploitIsInKit", red}, {"ExploitIsVerified", orange}, {"ExploitIsPublic", yellow}, {"NoExploit", green}, {missing, grey}}
	changeColours     = []paint{{"New", orange}, {"Updated", blue}, {"Fixed", green}}
	evaluationColours = []paint{{"failed", red}, {"passed", green}, {"unknown", grey}}
)

// findingSeverities are those of Defender, the worst first.
var findingSeverities = []bucket{
	{"Critical", is("vulnerability.severity", "Critical")},
	{"High", is("vulnerability.severity", "High")},
	{"Medium", is("vulnerability.severity", "Medium")},
	{"Low", is("vulnerability.severity", "Low")},
}

var (
	openFinding = []condition{is("vulnerability.status", "open")}
	fixed       = []condition{is("vulnerability.status", "fixed")}
	failed      = []condition{is(evaluation, "failed")}
)

var vulnerabilityDashboard = dashboard{
	name:        "vulnerabilities",
	upstream:    "afb93ff7-9903-4d91-9028-9fe9c5a434f8",
	title:       "[Microsoft Defender for Endpoint] Vulnerabilities",
	description: "Open vulnerabilities of software on machines, the latest state of each from the transform latest_cdr_vuln, and what changed.",
	scope:       []condition{dataset("vulnerability")},
	controls:    []control{{"Severity", "vulnerability.severity"}, {"Software", "package.name"}, {"Machine", "host.name"}},
	panels: []panel{
		{kind: number, title: "Open findings", latest: latestFinding, only: openFinding, x: 0, y: 0, w: 12, h: 6},
		{kind: number, title: "Vulnerabilities", latest: latestFinding, only: openFinding, count: "vulnerability.id", x: 12, y: 0, w: 12, h: 6},
		{kind: number, title: "Critical, open", latest: latestFinding, only: append([]condition{is("vulnerability.severity", "Critical")}, openFinding...), x: 24, y: 0, w: 12, h: 6},
		{kind: number, title: "Machines with open findings", latest: latestFinding, only: openFinding, count: "host.id", x: 36, y: 0, w: 12, h: 6},
		{kind: donut, title: "Open findings by severity", latest: latestFinding, only: openFinding, unknown: true, colours: findingColours, by: top("Severity", "vulnerability.severity"), x: 0, y: 6, w: 16, h: 13},
		{kind: donut, title: "Open findings by exploitability", latest: latestFinding, only: openFinding, unknown: true, colours: exploitColours, by: top("Exploitability", vulnerabilityPrefix+"exploitability_level"), x: 16, y: 6, w: 16, h: 13},
		{kind: bars, title: "Open findings by device group", latest: latestFinding, only: openFinding, by: top("Group", "group.name"), x: 32, y: 6, w: 16, h: 13},
		{kind: bars, title: "Software with most open findings", latest: latestFinding, only: openFinding, by: top("Software", "package.name"), x: 0, y: 19, w: 16, h: 13},
		{kind: bars, title: "Vulnerabilities on most machines", latest: latestFinding, only: openFinding, by: top("Vulnerability", "vulnerability.id"), count: "host.id", x: 16, y: 19, w: 16, h: 13},
		{kind: bars, title: "Machines with most open findings", latest: latestFinding, only: openFinding, by: top("Machine", "host.name"), x: 32, y: 19, w: 16, h: 13},
		{kind: timeline, title: "Changes over time", by: top("Change", vulnerabilityPrefix+"status"), colours: changeColours, count: "event.id", x: 0, y: 32, w: 48, h: 11},
		{kind: number, title: "Median time to remediate", median: "event.duration", days: true, only: fixed, x: 0, y: 43, w: 12, h: 7},
		{kind: bars, title: "Median time to remediate by severity", buckets: findingSeverities, median: "event.duration", days: true, only: fixed, x: 12, y: 43, w: 36, h: 7},
		{kind: table, title: "Open findings by machine", latest: latestFinding, only: openFinding, by: []column{
			{"Severity", "vulnerability.severity"}, {"Vulnerability", "vulnerability.id"}, {"Machine", "host.name"}, {"Software", "package.name"}, {"Version", "package.version"},
		}, newest: true, x: 0, y: 50, w: 48, h: 16},
	},
}

var postureDashboard = dashboard{
	name:        "posture",
	upstream:    "f306ae11-0b08-4b3b-ba14-2c1188d6cbc9",
	title:       "[Microsoft Defender for Endpoint] Posture",
	description: "How machines comply with the secure configuration and with security baselines: the latest state of each rule on each machine, from the transform latest_cdr_misconfigurations.",
	scope:       []condition{is("event.module", "microsoft_defender_endpoint")},
	controls:    []control{{"Benchmark", "rule.benchmark.name"}, {"Section", "rule.section"}, {"Machine", "host.name"}},
	panels: []panel{
		{kind: number, title: "Failed", latest: latestPosture, only: failed, x: 0, y: 0, w: 12, h: 6},
		{kind: number, title: "Passed", latest: latestPosture, only: []condition{is(evaluation, "passed")}, x: 12, y: 0, w: 12, h: 6},
		{kind: number, title: "Rules that fail", latest: latestPosture, only: failed, count: "rule.id", x: 24, y: 0, w: 12, h: 6},
		{kind: number, title: "Machines with failed rules", latest: latestPosture, only: failed, count: "host.id", x: 36, y: 0, w: 12, h: 6},
		{kind: donut, title: "Rules by result", latest: latestPosture, by: top("Result", evaluation), colours: evaluationColours, x: 0, y: 6, w: 16, h: 13},
		{kind: bars, title: "Failed by benchmark", latest: latestPosture, only: failed, unknown: true, by: top("Benchmark", "rule.benchmark.name"), x: 16, y: 6, w: 16, h: 13},
		{kind: bars, title: "Failed by section", latest: latestPosture, only: failed, by: top("Section", "rule.section"), x: 32, y: 6, w: 16, h: 13},
		{kind: bars, title: "Rules that fail on most machines", latest: latestPosture, only: failed, by: top("Rule", "rule.name"), count: "host.id", x: 0, y: 19, w: 24, h: 13},
		{kind: bars, title: "Machines with most failed rules", latest: latestPosture, only: failed, by: top("Machine", "host.name"), x: 24, y: 19, w: 24, h: 13},
		{kind: timeline, title: "Failed over time, each rule once a day", by: top("Data stream", "data_stream.dataset"), only: failed, x: 0, y: 32, w: 32, h: 11},
		{kind: donut, title: "Failed by operating system", latest: latestPosture, only: failed, by: top("Operating system", "resource.sub_type"), x: 32, y: 32, w: 16, h: 11},
		{kind: table, title: "Failed rules", latest: latestPosture, only: failed, by: []column{
			{"Rule", "rule.name"}, {"Number", "rule.benchmark.rule_number"}, {"Section", "rule.section"}, {"Machine", "host.name"},
		}, newest: true, x: 0, y: 43, w: 48, h: 16},
	},
}
