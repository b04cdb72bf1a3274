package main

// dashboard is what a dashboard shows. Saved object and preview are both made
// from it.
type dashboard struct {
	name, title, description string
	// upstream is the id of the dashboard of Elastic's package that this one takes
	// the place of, without the package's name: under that name links and bookmarks
	// keep working.
	upstream string
	// scope are the conditions that every panel's documents fulfil.
	scope    []condition
	controls []control
	panels   []panel
	// faults makes the preview show documents with mapping faults as well.
	faults bool
}

// condition is a field's value; with atLeast the smallest value, with not any
// other, with absent none at all.
type condition struct {
	field, value         string
	atLeast, not, absent bool
}

// control is a drop-down list above the panels.
type control struct{ title, field string }

// panel is one chart. Positions are in Kibana's grid of 48 columns.
type panel struct {
	kind  kind
	title string
	// by are the fields whose values are counted separately; a table has several.
	by []column
	// buckets group documents by condition, in the place of by.
	buckets []bucket
	// bucketsOf is what the buckets are about; empty: Severity.
	bucketsOf string
	// count is the field whose different values are counted; empty: documents.
	count string
	// median is the field whose median is shown in the place of a count, in
	// nanoseconds: as minutes, or with days as days.
	median string
	days   bool
	// latest is the index that the panel reads in the place of the data streams, of
	// those in latestNames: there an alert that was new once is found as new for ever.
	latest string
	// unknown makes documents without a value a group, and not invisible.
	unknown bool
	// colours are those of values that mean something; others get the next free one.
	colours []paint
	// only narrows what is counted.
	only []condition
	// newest adds the largest @timestamp to a table.
	newest     bool
	text       string
	x, y, w, h int
}

type kind int

const (
	number   kind = iota // one figure
	bars                 // horizontal bars, largest first
	donut                // shares
	timeline             // stacked columns over time
	table                // rows, largest count first
	triage               // a row for each alert, by buckets and newest first
	note                 // text
)

type column struct{ label, field string }

// paint is a value's colour.
type paint struct{ value, colour string }

type bucket struct {
	label string
	where condition
}

func is(field, value string) condition { return condition{field: field, value: value} }

func dataset(stream string) condition {
	return is("data_stream.dataset", "microsoft_defender_endpoint."+stream)
}

func top(label, field string) []column { return []column{{label, field}} }

// The destinations of transforms, which have one document for each alert, each
// finding, and each machine and rule.
const (
	latestAlert   = "defender_endpoint.latest_alert"
	latestFinding = "security_solution-microsoft_defender_endpoint.vulnerability_latest"
	latestPosture = "security_solution-microsoft_defender_endpoint.misconfiguration_latest"
)

// latestNames are what data views of these are called.
var latestNames = map[string]string{
	latestAlert:   "Latest alerts of Microsoft Defender for Endpoint",
	latestFinding: "Latest vulnerabilities of Microsoft Defender for Endpoint",
	reports:       "Reports of the collectors of Microsoft Defender for Endpoint",
	latestPosture: "Latest misconfigurations of Microsoft Defender for Endpoint",
}

const (
	alertPrefix   = "microsoft.defender_endpoint."
	machinePrefix = "microsoft_defender_endpoint.machine."
	actionPrefix  = "microsoft_defender_endpoint.machine_action."
)

// severities are what the mapping makes of the API's severities; its lowest two
// share one value, and an alert with any other word has none.
var severities = []bucket{
	{"Critical", is("event.severity", "99")},
	{"High", is("event.severity", "73")},
	{"Medium", is("event.severity", "47")},
	{"Low, informational", is("event.severity", "21")},
	{"Unknown", condition{field: "event.severity", absent: true}},
}

// The colours are those of severities in Kibana's security pages, and one meaning
// has one colour in all dashboards.
const (
	red, orange, yellow, green, blue, pale, grey = "#e7664c", "#da8b45", "#d6bf57", "#54b399", "#6092c0", "#bfdbff", "#98a2b3"
)

var (
	severityColours = []paint{{"Critical", red}, {"High", orange}, {"Medium", yellow}, {"Low, informational", green}, {"Unknown", grey}}
	levelColours    = []paint{{"High", orange}, {"Medium", yellow}, {"Low", green}, {"Informational", blue}, {"None", pale}, {missing, grey}}
	stateColours    = []paint{{"New", orange}, {"InProgress", blue}, {"Resolved", green}, {missing, grey}}
	statusColours   = []paint{{"Failed", red}, {"TimeOut", orange}, {"Pending", yellow}, {"InProgress", blue}, {"Succeeded", green}, {"Cancelled", grey}}
	healthColours   = []paint{
		{"NoSensorData", red}, {"NoSensorDataImpairedCommunication", red}, {"ImpairedCommunication", orange},
		{"Inactive", yellow}, {"Active", green}, {"Unknown", grey}, {missing, grey},
	}
)

// missing is what Kibana writes for documents without a value.
const missing = "(missing value)"

// containments are the actions that cut off a machine, a program or a file.
var containments = []bucket{
	{"Isolate machine", is("event.action", "Isolate")},
	{"Restrict code execution", is("event.action", "RestrictCodeExecution")},
	{"Stop and quarantine file", is("event.action", "StopAndQuarantineFile")},
}

// unresolved are the alerts that wait for somebody.
var unresolved = condition{field: alertPrefix + "status", value: "Resolved", not: true}

var dashboards = []dashboard{
	{
		name:        "alerts",
		upstream:    "65402c30-ca6a-11ea-9d4d-9737a63aaa55",
		title:       "[Microsoft Defender for Endpoint] Alerts",
		description: "Alerts to triage, and alerts by severity, category, state, machine and technique. States are the latest, from the transform latest_alert; alerts of the data stream are counted by id, because they have a document for each evidence item and update.",
		scope:       []condition{dataset("log")},
		controls: []control{
			{"Category", "event.action"}, {"State", alertPrefix + "status"}, {"Machine", "host.name"},
		},
		panels: []panel{
			{kind: number, title: "Alerts", count: "event.id", x: 0, y: 0, w: 12, h: 6},
			{kind: number, title: "New", latest: latestAlert, only: []condition{is(alertPrefix+"status", "New")}, x: 12, y: 0, w: 12, h: 6},
			{kind: number, title: "High and critical, not resolved", latest: latestAlert, only: []condition{{field: "event.severity", value: "73", atLeast: true}, unresolved}, x: 24, y: 0, w: 12, h: 6},
			{kind: number, title: "Machines with alerts", count: "host.id", x: 36, y: 0, w: 12, h: 6},
			{kind: triage, title: "Alerts to triage: not resolved, latest state", latest: latestAlert, only: []condition{unresolved}, buckets: severities, colours: severityColours, by: []column{
				{"Title", "rule.name"}, {"Machine", "host.name"}, {"User", "user.name"}, {"State", alertPrefix + "status"},
				{"Owner", alertPrefix + "assignedTo"}, {"Incident", alertPrefix + "incidentId"},
			}, x: 0, y: 6, w: 48, h: 14},
			{kind: timeline, title: "Alerts over time by severity", buckets: severities, colours: severityColours, count: "event.id", x: 0, y: 20, w: 32, h: 13},
			{kind: donut, title: "Alerts by severity", buckets: severities, colours: severityColours, count: "event.id", x: 32, y: 20, w: 16, h: 13},
			{kind: bars, title: "Alerts by category", by: top("Category", "event.action"), count: "event.id", x: 0, y: 33, w: 16, h: 13},
			{kind: bars, title: "Alerts by technique", by: top("Technique", "threat.technique.id"), count: "event.id", x: 16, y: 33, w: 16, h: 13},
			{kind: donut, title: "Alerts by latest state", latest: latestAlert, unknown: true, by: top("State", alertPrefix+"status"), colours: stateColours, x: 32, y: 33, w: 16, h: 13},
			{kind: bars, title: "Machines with most alerts", by: top("Machine", "host.name"), count: "event.id", x: 0, y: 46, w: 16, h: 13},
			{kind: bars, title: "Alerts by detection source", by: top("Source", "observer.name"), count: "event.id", x: 16, y: 46, w: 16, h: 13},
			{kind: bars, title: "Evidence by type", by: top("Type", alertPrefix+"evidence.entityType"), x: 32, y: 46, w: 16, h: 13},
		},
	},
	{
		name:        "machines",
		upstream:    "c89734ca-ab7f-419d-b665-50076cceee60",
		title:       "[Microsoft Defender for Endpoint] Machines",
		description: "Machines by health, operating system, exposure and risk. Machines are counted by id: each is sent when it changes and once a day.",
		scope:       []condition{dataset("machine")},
		controls: []control{
			{"OS Type", "host.os.type"}, {"Exposure Level", machinePrefix + "exposure_level"}, {"Risk Level", "host.risk.calculated_level"},
		},
		panels: []panel{
			{kind: number, title: "Machines", count: "host.id", x: 0, y: 0, w: 12, h: 6},
			{kind: number, title: "Active", count: "host.id", only: []condition{is(machinePrefix+"health_status", "Active")}, x: 12, y: 0, w: 12, h: 6},
			{kind: number, title: "Inactive", count: "host.id", only: []condition{is(machinePrefix+"health_status", "Inactive")}, x: 24, y: 0, w: 12, h: 6},
			{kind: number, title: "High risk", count: "host.id", only: []condition{is("host.risk.calculated_level", "High")}, x: 36, y: 0, w: 12, h: 6},
			{kind: donut, title: "Machines by health", unknown: true, colours: healthColours, by: top("Health", machinePrefix+"health_status"), count: "host.id", x: 0, y: 6, w: 16, h: 13},
			{kind: donut, title: "Machines by risk", unknown: true, colours: levelColours, by: top("Risk", "host.risk.calculated_level"), count: "host.id", x: 16, y: 6, w: 16, h: 13},
			{kind: donut, title: "Machines by exposure", unknown: true, colours: levelColours, by: top("Exposure", machinePrefix+"exposure_level"), count: "host.id", x: 32, y: 6, w: 16, h: 13},
			{kind: bars, title: "Machines by operating system", by: top("Operating system", "host.os.platform"), count: "host.id", x: 0, y: 19, w: 16, h: 13},
			{kind: bars, title: "Machines by onboarding", by: top("Onboarding", machinePrefix+"onboarding_status"), count: "host.id", x: 16, y: 19, w: 16, h: 13},
			{kind: bars, title: "Machines by tag", by: top("Tag", machinePrefix+"machine_tags"), count: "host.id", x: 32, y: 19, w: 16, h: 13},
			{kind: timeline, title: "Machines over time by health", unknown: true, colours: healthColours, by: top("Health", machinePrefix+"health_status"), count: "host.id", x: 0, y: 32, w: 48, h: 11},
			{kind: table, title: "Machines by state", by: []column{
				{"Machine", "host.name"}, {"Operating system", "host.os.name"}, {"Health", machinePrefix + "health_status"},
				{"Exposure", machinePrefix + "exposure_level"}, {"Risk", "host.risk.calculated_level"},
			}, newest: true, x: 0, y: 43, w: 48, h: 16},
		},
	},
	{
		name:        "actions",
		upstream:    "6a043fee-1e3d-454b-96d1-159e6efce215",
		title:       "[Microsoft Defender for Endpoint] Machine Actions",
		description: "What was done to machines, by whom, and how it ended: the latest state of each action, from the transform latest_action.",
		scope:       []condition{dataset("machine_action"), is("labels.is_transform_source", "false")},
		controls:    []control{{"Action Type", "event.action"}, {"Action Status", actionPrefix + "status"}},
		panels: []panel{
			{kind: number, title: "Actions", count: "event.id", x: 0, y: 0, w: 12, h: 6},
			{kind: number, title: "Succeeded", count: "event.id", only: []condition{is("event.outcome", "success")}, x: 12, y: 0, w: 12, h: 6},
			{kind: number, title: "Failed", count: "event.id", only: []condition{is("event.outcome", "failure")}, x: 24, y: 0, w: 12, h: 6},
			{kind: number, title: "Machines", count: "host.id", x: 36, y: 0, w: 12, h: 6},
			{kind: timeline, title: "Actions over time by type", by: top("Type", "event.action"), count: "event.id", x: 0, y: 6, w: 24, h: 13},
			{kind: timeline, title: "Actions over time by status", colours: statusColours, by: top("Status", actionPrefix+"status"), count: "event.id", x: 24, y: 6, w: 24, h: 13},
			{kind: donut, title: "Actions by status", colours: statusColours, by: top("Status", actionPrefix+"status"), count: "event.id", x: 0, y: 19, w: 16, h: 13},
			{kind: bars, title: "Actions by type", by: top("Type", "event.action"), count: "event.id", x: 16, y: 19, w: 16, h: 13},
			{kind: donut, title: "Isolations by scope", by: top("Scope", actionPrefix+"scope"), count: "event.id", only: []condition{is("event.action", "Isolate")}, x: 32, y: 19, w: 16, h: 13},
			{kind: number, title: "Median time to isolate", median: "event.duration", only: []condition{is("event.action", "Isolate"), is("event.outcome", "success")}, x: 0, y: 32, w: 12, h: 7},
			{kind: bars, title: "Median time to contain, from the request to success", buckets: containments, bucketsOf: "Action", median: "event.duration", only: []condition{is("event.outcome", "success")}, x: 12, y: 32, w: 36, h: 7},
			{kind: bars, title: "Machines with most actions", by: top("Machine", "host.name"), count: "event.id", x: 0, y: 39, w: 24, h: 11},
			{kind: bars, title: "Requestors with most actions", by: top("Requestor", "user.name"), count: "event.id", x: 24, y: 39, w: 24, h: 11},
			{kind: table, title: "Actions by machine", by: []column{
				{"Machine", "host.name"}, {"Type", "event.action"}, {"Status", actionPrefix + "status"}, {"Requestor", "user.name"},
			}, count: "event.id", newest: true, x: 0, y: 50, w: 48, h: 16},
		},
	},
	vulnerabilityDashboard,
	postureDashboard,
	{
		name:        "collector",
		title:       "[Microsoft Defender for Endpoint] Collector Health",
		description: "How the collector's streams are, with cause and remedy, what it delivered and what it could not map.",
		// The latest states of machine actions would count these twice.
		scope: []condition{
			is("event.module", "microsoft_defender_endpoint"),
			{field: "labels.is_transform_source", value: "false", not: true},
		},
		faults:   true,
		controls: []control{{"Data stream", "data_stream.dataset"}, {"Collector", "agent.name"}},
		panels: []panel{
			{kind: number, title: "Streams", latest: reports, count: selfPrefix + "stream_id", x: 0, y: 0, w: 12, h: 6},
			{kind: number, title: "Streams that were in trouble", latest: reports, only: []condition{is(selfPrefix+"healthy", "false")}, count: selfPrefix + "stream_id", x: 12, y: 0, w: 12, h: 6},
			{kind: number, title: "Documents", x: 24, y: 0, w: 12, h: 6},
			{kind: number, title: "With mapping faults", only: []condition{is("event.kind", "pipeline_error")}, x: 36, y: 0, w: 12, h: 6},
			{kind: timeline, title: "Reports over time by state of the stream", latest: reports, by: top("State", selfPrefix+"state"), colours: selfColours, x: 0, y: 6, w: 18, h: 14},
			{kind: table, title: "States of streams, with cause and remedy", latest: reports, by: []column{
				{"Stream", selfPrefix + "stream_id"}, {"State", selfPrefix + "state"}, {"Reason", selfPrefix + "reason"}, {"Collector", "agent.name"},
			}, newest: true, x: 18, y: 6, w: 30, h: 14},
			{kind: timeline, title: "Documents over time by data stream", by: top("Data stream", "data_stream.dataset"), x: 0, y: 20, w: 48, h: 13},
			{kind: timeline, title: "Mapping faults over time by data stream", by: top("Data stream", "data_stream.dataset"), only: []condition{is("event.kind", "pipeline_error")}, x: 0, y: 33, w: 24, h: 12},
			{kind: note, title: "How to read this", text: "A document with **event.kind: pipeline_error** is stored in full, with the record in event.original and each fault in error.message. " +
				"Report faults that come back: they mean that the API sends what the collector does not know.\n\n" +
				"A gap in the chart of documents can be a quiet tenant or a collector in trouble: the states above show which. They come from the stream *The collector itself* of the integration. " +
				"Where no report comes at all, look at the integration's state in Fleet.", x: 24, y: 33, w: 24, h: 12},
			{kind: table, title: "Delivered by data stream", by: []column{{"Data stream", "data_stream.dataset"}, {"Collector", "agent.name"}, {"Version", "agent.version"}}, newest: true, x: 0, y: 45, w: 24, h: 12},
			{kind: table, title: "Records with mapping faults", by: []column{{"Data stream", "data_stream.dataset"}, {"Record", "event.id"}}, only: []condition{is("event.kind", "pipeline_error")}, newest: true, x: 24, y: 45, w: 24, h: 12},
			{kind: number, title: "Collectors", count: "agent.id", x: 0, y: 57, w: 24, h: 6},
			{kind: number, title: "Starts of collectors", count: "agent.ephemeral_id", x: 24, y: 57, w: 24, h: 6},
		},
	},
}
