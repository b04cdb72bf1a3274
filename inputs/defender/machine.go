package defender

import (
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// machineResource reads /api/machines [get-machines.md].
var machineResource = &resource{
	name:       "machine",
	dataset:    "microsoft_defender_endpoint.machine",
	path:       "/api/machines",
	strategy:   odata.Snapshot,
	retention:  collect.Retention{Snapshot: true},
	permission: "Machine.Read.All",
	interval:   time.Hour,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-machine"},
	vendor:     mapping.Vendor{Path: [...]string{module, "machine"}, Snake: true},
	sets:       []string{"ipAddresses"},
	newMapper:  newMachineMapper,
}

// machine is one element of /api/machines (API.md 3.4). Unknown
// members are kept.
type machine struct {
	ID                     mapping.Field `json:"id"`                     // 40 hex
	MergedIntoMachineID    mapping.Field `json:"mergedIntoMachineId"`    // machine id, nullable; set on duplicates
	IsPotentialDuplication mapping.Field `json:"isPotentialDuplication"` // boolean
	IsExcluded             mapping.Field `json:"isExcluded"`             // boolean
	ExclusionReason        mapping.Field `json:"exclusionReason"`        // nullable
	ComputerDNSName        mapping.Field `json:"computerDnsName"`        // mixed case, FQDN or short, nullable
	FirstSeen              mapping.Field `json:"firstSeen"`              // timestamp
	LastSeen               mapping.Field `json:"lastSeen"`               // timestamp of the last full report, about every 24 h
	OSPlatform             mapping.Field `json:"osPlatform"`             // Windows11, Ubuntu, RedHatEnterpriseLinux, Unknown...: open set
	OSVersion              mapping.Field `json:"osVersion"`              // null in every sample; version has it
	OSProcessor            mapping.Field `json:"osProcessor"`            // x64; nullable
	OSArchitecture         mapping.Field `json:"osArchitecture"`         // 64-bit, 32-bit; nullable
	OSBuild                mapping.Field `json:"osBuild"`                // number, nullable
	Version                mapping.Field `json:"version"`                // 23H2, 1809, 9.5; nullable
	AgentVersion           mapping.Field `json:"agentVersion"`           // nullable
	LastIPAddress          mapping.Field `json:"lastIpAddress"`          // IPv4 or IPv6, nullable
	LastExternalIPAddress  mapping.Field `json:"lastExternalIpAddress"`  // IPv4 or IPv6, nullable
	HealthStatus           mapping.Field `json:"healthStatus"`           // Active, Inactive, ImpairedCommunication, NoSensorData...
	OnboardingStatus       mapping.Field `json:"onboardingStatus"`       // Onboarded, CanBeOnboarded, Unsupported, InsufficientInfo
	RBACGroupID            mapping.Field `json:"rbacGroupId"`            // number, though the page says text; 0 is none
	RBACGroupName          mapping.Field `json:"rbacGroupName"`          // nullable
	RiskScore              mapping.Field `json:"riskScore"`              // None, Informational, Low, Medium, High; nullable
	ExposureLevel          mapping.Field `json:"exposureLevel"`          // None, Low, Medium, High; nullable
	DeviceValue            mapping.Field `json:"deviceValue"`            // Normal, Low, High; nullable
	IsAADJoined            mapping.Field `json:"isAadJoined"`            // boolean, nullable
	AADDeviceID            mapping.Field `json:"aadDeviceId"`            // GUID, nullable also where isAadJoined
	MachineTags            mapping.List  `json:"machineTags"`            // list of text
	ManagedBy              mapping.Field `json:"managedBy"`              // Intune, MicrosoftDefenderForEndpoint, Unknown...
	ManagedByStatus        mapping.Field `json:"managedByStatus"`        // Success, Unknown...
	IPAddresses            mapping.List  `json:"ipAddresses"`            // list of machineAddress
	VMMetadata             mapping.Field `json:"vmMetadata"`             // machineVM, nullable
}

// machineAddress is an address of a network interface, loopback and interfaces
// that are down included.
type machineAddress struct {
	IPAddress         mapping.Field `json:"ipAddress"`         // IPv4 or IPv6, also ""
	MACAddress        mapping.Field `json:"macAddress"`        // 12 hex; null or all zero where there is none
	Type              mapping.Field `json:"type"`              // Ethernet, SoftwareLoopback, Other...
	OperationalStatus mapping.Field `json:"operationalStatus"` // Up, Down...
}

// machineVM says which cloud instance a machine is.
type machineVM struct {
	VMID           mapping.Field `json:"vmId"`           // GUID or instance id
	CloudProvider  mapping.Field `json:"cloudProvider"`  // Azure, AWS, GCP...
	ResourceID     mapping.Field `json:"resourceId"`     // the provider's full name for it
	SubscriptionID mapping.Field `json:"subscriptionId"` // GUID or account id
}

// machineMapper maps machines as MAPPING.md 4.2 says, one document each.
type machineMapper struct {
	*mapping.Envelope
	portal  portal
	machine machine
	address machineAddress
	vm      machineVM

	machines, addresses, vms *mapping.Decoder
	identity, system         mapping.Table // of the vendor's object: duplicates of ECS fields
	external, state          mapping.Table // of the vendor's object: a duplicate, and the rest
	interfaces, instance     mapping.Table // of its parts
	related                  related
	macs                     mapping.Union
}

func newMachineMapper(e *mapping.Envelope, c Config) mapping.RecordMapper {
	m := &machineMapper{Envelope: e, portal: portalOf(c)}
	m.machines = e.Decoder("", &m.machine)
	m.addresses = e.Decoder("ipAddresses", &m.address).OrScalar(&m.address.IPAddress)
	m.vms = e.Decoder("vmMetadata", &m.vm)
	m.identity, m.system, m.external = m.duplicates()
	m.state = m.stateFields()
	m.interfaces = mapping.Table{
		mapping.Own(&m.address.IPAddress, m.ip),
		mapping.Own(&m.address.MACAddress, m.mac),
		mapping.Own(&m.address.OperationalStatus, m.Text),
		mapping.Own(&m.address.Type, m.Text),
	}
	m.instance = mapping.Table{
		mapping.Own(&m.vm.CloudProvider, m.Text),
		mapping.Own(&m.vm.ResourceID, m.Text),
		mapping.Own(&m.vm.SubscriptionID, m.Text),
		mapping.Own(&m.vm.VMID, m.Text),
	}
	return m
}

// duplicates are vendor fields whose values ECS has too.
func (m *machineMapper) duplicates() (identity, system, external mapping.Table) {
	a := &m.machine
	identity = mapping.Table{
		mapping.Own(&a.ID, m.Text),
		mapping.Own(&a.AADDeviceID, m.Text),
		mapping.Own(&a.ComputerDNSName, m.Text),
		mapping.Own(&a.RBACGroupID, m.Text),
		mapping.Own(&a.RBACGroupName, m.Text),
	}
	system = mapping.Table{
		mapping.Own(&a.OSPlatform, m.Text),
		mapping.Own(&a.Version, m.Text),
		mapping.Own(&a.OSProcessor, m.Text),
		mapping.Own(&a.RiskScore, m.Text),
	}
	external = mapping.Table{mapping.Own(&a.LastExternalIPAddress, m.IP)}
	return m.Duplicates(identity), m.Duplicates(system), m.Duplicates(external)
}

// stateFields keep what has no ECS field.
func (m *machineMapper) stateFields() mapping.Table {
	a := &m.machine
	return mapping.Table{
		mapping.Own(&a.FirstSeen, m.Milliseconds),
		mapping.Own(&a.LastSeen, m.Milliseconds),
		mapping.Own(&a.IsAADJoined, m.Boolean),
		mapping.Own(&a.IsExcluded, m.Boolean),
		mapping.Own(&a.IsPotentialDuplication, m.Boolean),
		mapping.Own(&a.ExclusionReason, m.Text),
		mapping.Own(&a.MergedIntoMachineID, m.Text),
		mapping.Own(&a.AgentVersion, m.Text),
		mapping.Own(&a.OSArchitecture, m.Text),
		mapping.Own(&a.OSBuild, m.Long),
		mapping.Own(&a.OSVersion, m.Text),
		mapping.Own(&a.DeviceValue, m.Text),
		mapping.Own(&a.ExposureLevel, m.Text),
		mapping.Own(&a.HealthStatus, m.Text),
		mapping.Own(&a.OnboardingStatus, m.Text),
		mapping.Own(&a.ManagedBy, m.Text),
		mapping.Own(&a.ManagedByStatus, m.Text),
		mapping.Own(&a.MachineTags.Field, m.machineTags),
	}
}

// Read implements mapping.RecordMapper.
func (m *machineMapper) Read(record raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.Decode(m.machines, record); err != nil {
		return "", time.Time{}, err
	}
	seen, _ := m.machine.LastSeen.Time()
	return m.machine.ID.Text(), seen, nil
}

// Documents implements mapping.RecordMapper. A machine has no version of its
// own, and lastSeen does not move with every change: the id is made of the
// whole record.
func (m *machineMapper) Documents(emit func() error) error {
	m.related.reset()
	m.macs = m.macs[:0]
	root, event := m.Begin()
	vendor := m.setConstants(root, event)
	m.setIdentity(root)
	m.setTags()
	event.Set("id", m.Text(&m.machine.ID))
	event.Set("url", m.portal.page("machines", m.machine.ID.Text(), m.Account()))
	m.identity.Fill(vendor)
	m.setSystem(root.Object("host"))
	m.system.Fill(vendor)
	m.setInterfaces(root.Object("host"), vendor)
	m.setAddresses(root, vendor)
	m.state.Fill(vendor)
	m.setInstance(vendor)
	m.Keep(m.machines)
	a := &m.machine
	m.Finish(m.FirstTime(&a.LastSeen, &a.FirstSeen), []byte(a.ID.Text()))
	return emit()
}

// setConstants sets what all machines have, and returns the vendor's object.
func (m *machineMapper) setConstants(root, event *ecs.Object) *ecs.Object {
	event.Set("kind", ecs.Text("event"))
	event.Set("category", m.Doc.Texts("host"))
	event.Set("type", m.Doc.Texts("info"))
	setObserver(root)
	return m.Vendor()
}

// setIdentity maps what names the machine and its group. host.name is in lower
// case, as in alerts, so that the two can be joined.
func (m *machineMapper) setIdentity(root *ecs.Object) {
	a := &m.machine
	setMachine(m.Envelope, root, &a.ID, &a.ComputerDNSName, m.Account())
	root.Object("device").Set("id", m.Text(&a.AADDeviceID))
	setGroup(m.Envelope, root, &a.RBACGroupID, &a.RBACGroupName)
	for _, f := range []*mapping.Field{&a.AADDeviceID, &a.ComputerDNSName, &a.ID} {
		m.related.host(f.Text())
	}
}

// setTags marks machines that are no machines of their own, or not looked after:
// they would count as entities.
func (m *machineMapper) setTags() {
	a := &m.machine
	if a.MergedIntoMachineID.Text() != "" {
		m.Tag("machine_merged")
	}
	if a.IsExcluded.Is("true") {
		m.Tag("machine_excluded")
	}
	if a.IsPotentialDuplication.Is("true") {
		m.Tag("machine_possible_duplicate")
	}
}

// setSystem maps the operating system and the risk.
func (m *machineMapper) setSystem(host *ecs.Object) {
	a := &m.machine
	host.Set("architecture", architecture(m.Envelope, &a.OSProcessor))
	host.Object("risk").Set("calculated_level", m.Text(&a.RiskScore))
	setSystem(m.Envelope, host, &a.OSPlatform, &a.Version)
}

// setInterfaces maps the addresses of the machine's network interfaces.
func (m *machineMapper) setInterfaces(host, vendor *ecs.Object) {
	l := &m.machine.IPAddresses
	vendor.Set(l.Own, m.Map(l, m.networkInterface))
	host.Set("mac", m.Doc.Texts(m.macs...))
}

func (m *machineMapper) networkInterface(element raw) ecs.Value {
	if !m.Object(m.addresses, element) {
		return ecs.Value{}
	}
	item := m.Doc.NewObject()
	m.interfaces.Fill(item.Object())
	m.Keep(m.addresses)
	return item
}

// mac is the interface's hardware address as ECS writes it. Other text is kept
// as it is. An all-zero address does not get into host.mac.
func (m *machineMapper) mac(f *mapping.Field) ecs.Value {
	v := m.Text(f)
	if !v.Present() {
		return v
	}
	mac, ok := mapping.FormatMAC(f.Text())
	if !ok {
		m.Note(f, "not a MAC address")
		return v
	}
	if strings.Trim(mac, "0-") != "" {
		m.macs.Add(mac)
	}
	return ecs.Text(mac)
}

// setAddresses maps the addresses last seen. host.ip is the external one only,
// as upstream: Elasticsearch makes host.geo from it, and rules written for the
// integration expect no more there. All addresses are in related.ip.
func (m *machineMapper) setAddresses(root, vendor *ecs.Object) {
	external := m.ip(&m.machine.LastExternalIPAddress)
	last := m.ip(&m.machine.LastIPAddress)
	root.Object("host").Set("ip", m.Doc.List(external))
	m.related.set(&m.Doc, root.Object("related"))
	m.external.Fill(vendor)
	vendor.Set(m.machine.LastIPAddress.Own, last)
}

// ip takes an IP address and notes it for related.ip.
func (m *machineMapper) ip(f *mapping.Field) ecs.Value {
	ip := m.IP(f)
	m.related.ip(ip)
	return ip
}

func (m *machineMapper) machineTags(*mapping.Field) ecs.Value { return m.Texts(&m.machine.MachineTags) }

// setInstance keeps which cloud instance the machine is. Upstream looks for it
// under a name that the API does not use.
func (m *machineMapper) setInstance(vendor *ecs.Object) {
	f := &m.machine.VMMetadata
	if !m.Object(m.vms, f.Value) {
		return
	}
	m.instance.Fill(vendor.Object(f.Own))
	m.Keep(m.vms)
}
