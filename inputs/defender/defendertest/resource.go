package defendertest

// Resource is a collection of the API.
type Resource int

// The collections that a tenant serves.
const (
	Alerts Resource = iota
	Machines
	MachineActions
)

// Resources lists them.
func Resources() []Resource { return []Resource{Alerts, Machines, MachineActions} }

// String is the resource's name in the API's path: alerts, machines,
// machineactions.
func (r Resource) String() string { return resources[r].path }

// resource is how the collections differ.
type resource struct {
	path, set, entity string   // names in the path, in @odata.context, in messages
	version           string   // the property that holds a version's time
	grid              bool     // whether that time is on SQL's datetime grid
	expand            string   // what $expand takes
	emptyIsMissing    bool     // whether an empty result is a 404
	roles             []string // any one of them gives access
	properties        map[string]valueKind
	appendID          func(w *world, b []byte, sequence uint32) []byte
	appendRecord      func(w *world, b []byte, r record, expand bool) []byte
}

// world is what records are generated from.
type world struct {
	seed     uint64
	tenant   string // as a JSON string
	machines int    // how many machines alerts and actions speak of
	evidence int    // per alert; 0 varies
}

// record is one generated or hand-written record in its present version.
type record struct {
	time, created ticks  // version time; the first version's time
	sequence      uint32 // number in the generator, or in the collection's raws
	revision      uint16 // how often its content changed
	grown         uint16 // how often that was without a new time
	written       bool   // hand-written
}

// The properties are those of the pages' $filter lists. Left out are
// machineTags, a list that takes lambda expressions only, and the page's
// misspelt asssignedTo. lastUpdateDateTimeUtc is undocumented and works.
var resources = [...]resource{
	Alerts: {
		path: "alerts", set: "Alerts", entity: "microsoft.windowsDefenderATP.api.Alert",
		version: "lastUpdateTime", grid: true, expand: "evidence",
		roles: []string{"Alert.Read.All", "Alert.ReadWrite.All"},
		properties: map[string]valueKind{
			"alertCreationTime": kindDate, "lastUpdateTime": kindDate, "lastEventTime": kindDate,
			"incidentId": kindNumber, "investigationId": kindNumber, "InvestigationId": kindNumber,
			"id": kindText, "assignedTo": kindText, "detectionSource": kindText,
			"status": kindText, "severity": kindText, "category": kindText,
		},
		appendID: appendAlertID, appendRecord: appendAlert,
	},
	Machines: {
		path: "machines", set: "Machines", entity: "microsoft.windowsDefenderATP.api.Machine",
		version: "lastSeen", emptyIsMissing: true,
		roles: []string{"Machine.Read.All", "Machine.ReadWrite.All"},
		properties: map[string]valueKind{
			"computerDnsName": kindText, "id": kindText, "version": kindText, "deviceValue": kindText,
			"aadDeviceId": kindText, "lastSeen": kindDate, "exposureLevel": kindText,
			"onboardingStatus": kindText, "lastIpAddress": kindText, "healthStatus": kindText,
			"osPlatform": kindText, "riskScore": kindText, "rbacGroupId": kindNumber,
		},
		appendID: appendMachineID, appendRecord: appendMachine,
	},
	MachineActions: {
		path: "machineactions", set: "MachineActions", entity: "microsoft.windowsDefenderATP.api.MachineAction",
		version: "lastUpdateDateTimeUtc",
		roles:   []string{"Machine.Read.All", "Machine.ReadWrite.All"},
		properties: map[string]valueKind{
			"id": kindText, "status": kindText, "machineId": kindText, "type": kindText,
			"requestor": kindText, "creationDateTimeUtc": kindDate, "lastUpdateDateTimeUtc": kindDate,
		},
		appendID: appendActionID, appendRecord: appendAction,
	},
}

// now is the version time that a change at t gets.
func (r *resource) now(t ticks) ticks {
	if r.grid {
		return t.onGrid()
	}
	return t
}
