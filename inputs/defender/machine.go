package defender

import (
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// machineResource reads /api/machines [get-machines.md].
var machineResource = &resource{
	name:       "machine",
	dataset:    "microsoft_defender_endpoint.machine",
	path:       "/api/machines",
	pager:      odata.Snapshot,
	retention:  collect.Retention{Snapshot: true},
	permission: "Machine.Read.All",
	priority:   2,
	interval:   time.Hour,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-machine"},
	newMapper:  newMachineMapper,
}

// machine is one element of /api/machines (API.md 3.4). Unknown
// members are kept.
type machine struct {
	ID                     raw `json:"id"`                     // 40 hex
	MergedIntoMachineID    raw `json:"mergedIntoMachineId"`    // machine id, nullable; set on duplicates
	IsPotentialDuplication raw `json:"isPotentialDuplication"` // boolean
	IsExcluded             raw `json:"isExcluded"`             // boolean
	ExclusionReason        raw `json:"exclusionReason"`        // nullable
	ComputerDNSName        raw `json:"computerDnsName"`        // mixed case, FQDN or short, nullable
	FirstSeen              raw `json:"firstSeen"`              // timestamp
	LastSeen               raw `json:"lastSeen"`               // timestamp of the last full report, about every 24 h
	OSPlatform             raw `json:"osPlatform"`             // Windows11, Ubuntu, RedHatEnterpriseLinux, Unknown...: open set
	OSVersion              raw `json:"osVersion"`              // null in every sample; version has it
	OSProcessor            raw `json:"osProcessor"`            // x64; nullable
	OSArchitecture         raw `json:"osArchitecture"`         // 64-bit, 32-bit; nullable
	OSBuild                raw `json:"osBuild"`                // number, nullable
	Version                raw `json:"version"`                // 23H2, 1809, 9.5; nullable
	AgentVersion           raw `json:"agentVersion"`           // nullable
	LastIPAddress          raw `json:"lastIpAddress"`          // IPv4 or IPv6, nullable
	LastExternalIPAddress  raw `json:"lastExternalIpAddress"`  // IPv4 or IPv6, nullable
	HealthStatus           raw `json:"healthStatus"`           // Active, Inactive, ImpairedCommunication, NoSensorData...
	OnboardingStatus       raw `json:"onboardingStatus"`       // Onboarded, CanBeOnboarded, Unsupported, InsufficientInfo
	RBACGroupID            raw `json:"rbacGroupId"`            // number, though the page says text; 0 is none
	RBACGroupName          raw `json:"rbacGroupName"`          // nullable
	RiskScore              raw `json:"riskScore"`              // None, Informational, Low, Medium, High; nullable
	ExposureLevel          raw `json:"exposureLevel"`          // None, Low, Medium, High; nullable
	DeviceValue            raw `json:"deviceValue"`            // Normal, Low, High; nullable
	IsAADJoined            raw `json:"isAadJoined"`            // boolean, nullable
	AADDeviceID            raw `json:"aadDeviceId"`            // GUID, nullable also where isAadJoined
	MachineTags            raw `json:"machineTags"`            // list of text
	ManagedBy              raw `json:"managedBy"`              // Intune, MicrosoftDefenderForEndpoint, Unknown...
	ManagedByStatus        raw `json:"managedByStatus"`        // Success, Unknown...
	IPAddresses            raw `json:"ipAddresses"`            // list of machineAddress
	VMMetadata             raw `json:"vmMetadata"`             // machineVM, nullable
}

// machineAddress is an address of a network interface, loopback and interfaces
// that are down included.
type machineAddress struct {
	IPAddress         raw `json:"ipAddress"`         // IPv4 or IPv6, also ""
	MACAddress        raw `json:"macAddress"`        // 12 hex; null or all zero where there is none
	Type              raw `json:"type"`              // Ethernet, SoftwareLoopback, Other...
	OperationalStatus raw `json:"operationalStatus"` // Up, Down...
}

// machineVM tells which cloud instance a machine is.
type machineVM struct {
	VMID           raw `json:"vmId"`           // GUID or instance id
	CloudProvider  raw `json:"cloudProvider"`  // Azure, AWS, GCP...
	ResourceID     raw `json:"resourceId"`     // the provider's full name for it
	SubscriptionID raw `json:"subscriptionId"` // GUID or account id
}

// machineMapper maps machines as ecs-mapping.md 4.2 says, one document each.
type machineMapper struct {
	*envelope
	machine machine
	address machineAddress
	vm      machineVM

	machines, addresses, vms *objectDecoder
	items, labels            elements // of the machine's ipAddresses and machineTags
	hosts, relatedIP, macs   union
}

func newMachineMapper(e *envelope) mapper {
	m := &machineMapper{envelope: e}
	e.vendor = [...]string{module, "machine"}
	e.content.sets = []string{`"ipAddresses"`}
	m.machines = newObjectDecoder(&m.machine)
	m.machines.list("ipAddresses", &m.items, maxElements)
	m.machines.list("machineTags", &m.labels, maxElements)
	m.addresses = newObjectDecoder(&m.address)
	m.vms = newObjectDecoder(&m.vm)
	return m
}

func (m *machineMapper) read(record raw) (string, time.Time, error) {
	m.take(record)
	if err := m.machines.decode(record); err != nil {
		return "", time.Time{}, err
	}
	seen, _ := parseTime(m.machine.LastSeen)
	return str(m.machine.ID), seen, nil
}

// documents makes the machine's one document.
func (m *machineMapper) documents(emit func() error) error {
	m.faults = m.faults[:0]
	m.hosts, m.relatedIP, m.macs = m.hosts[:0], m.relatedIP[:0], m.macs[:0]
	root, event := m.begin()
	m.constants(root, event)
	vendor := root.Object(m.vendor[0]).Object(m.vendor[1])
	m.identity(root, vendor)
	m.system(root, vendor)
	m.interfaces(root.Object("host"), vendor)
	m.lastAddresses(root, vendor)
	m.state(vendor)
	m.cloud(vendor)
	m.keep("", m.machines)
	m.finish(m.timestamp(), []byte(str(m.machine.ID)))
	return emit()
}

func (m *machineMapper) constants(root, event *ecs.Object) {
	event.Set("kind", ecs.Text("event"))
	event.Set("category", m.doc.Texts("host"))
	event.Set("type", m.doc.Texts("info"))
	observer := root.Object("observer")
	observer.Set("product", ecs.Text("Defender for Endpoint"))
	observer.Set("vendor", ecs.Text("Microsoft"))
}

// timestamp is @timestamp: when the machine was last seen, or first, or now.
func (m *machineMapper) timestamp() time.Time {
	for _, v := range []raw{m.machine.LastSeen, m.machine.FirstSeen} {
		if t, ok := parseTime(v); ok && !t.IsZero() {
			return t
		}
	}
	return time.Now()
}

// identity maps what names the machine and its group. host.name is in lower
// case, as in alerts, so that the two can be joined.
func (m *machineMapper) identity(root, vendor *ecs.Object) {
	a, f := &m.machine, m.envelope
	id := f.text("id", a.ID)
	device := f.text("aadDeviceId", a.AADDeviceID)
	name := f.text("computerDnsName", a.ComputerDNSName)
	groupID := f.text("rbacGroupId", a.RBACGroupID)
	groupName := f.text("rbacGroupName", a.RBACGroupName)

	host := root.Object("host")
	host.Set("id", id)
	host.Set("hostname", name)
	host.Set("name", ecs.Text(strings.ToLower(str(a.ComputerDNSName))))
	root.Object("device").Set("id", device)
	group := root.Object("group")
	group.Set("id", groupID)
	group.Set("name", groupName)
	m.hosts.add(str(a.AADDeviceID), str(a.ComputerDNSName), str(a.ID))
	root.Object("related").Set("hosts", m.doc.Texts(m.hosts...))

	m.duplicate(vendor, "id", id)
	m.duplicate(vendor, "aad_device_id", device)
	m.duplicate(vendor, "computer_dns_name", name)
	m.duplicate(vendor, "rbac_group_id", groupID)
	m.duplicate(vendor, "rbac_group_name", groupName)
}

// system maps the operating system and the risk.
func (m *machineMapper) system(root, vendor *ecs.Object) {
	a, f := &m.machine, m.envelope
	platform := f.text("osPlatform", a.OSPlatform)
	version := f.text("version", a.Version)
	processor := f.text("osProcessor", a.OSProcessor)
	risk := f.text("riskScore", a.RiskScore)

	host := root.Object("host")
	host.Set("architecture", processor)
	host.Object("risk").Set("calculated_level", risk)
	system := host.Object("os")
	system.Set("platform", platform)
	system.Set("type", ecs.Text(machineOSType(str(a.OSPlatform))))
	system.Set("version", version)
	if platform.Present() && version.Present() {
		system.Set("name", m.short(str(a.OSPlatform)+" "+str(a.Version)))
	}

	m.duplicate(vendor, "os_platform", platform)
	m.duplicate(vendor, "version", version)
	m.duplicate(vendor, "os_processor", processor)
	m.duplicate(vendor, "risk_score", risk)
}

// machineOSType is host.os.type (ecs-mapping.md 4.0 rule 9).
func machineOSType(platform string) string {
	platform = strings.ToLower(platform)
	for _, known := range []string{"linux", "macos", "unix", "windows", "ios", "android"} {
		if strings.Contains(platform, known) {
			return known
		}
	}
	if strings.Contains(platform, "centos") || strings.Contains(platform, "ubuntu") {
		return "linux"
	}
	return ""
}

// interfaces maps the addresses of the machine's network interfaces.
func (m *machineMapper) interfaces(host, vendor *ecs.Object) {
	vendor.Set("ip_addresses", m.list(&m.items, m.networkInterface))
	host.Set("mac", m.doc.Texts(m.macs...))
}

func (m *machineMapper) networkInterface(element raw) ecs.Value {
	if !m.object("ipAddresses", m.addresses, element, &m.address.IPAddress) {
		return ecs.Value{}
	}
	a, f := &m.address, m.envelope
	item := m.doc.NewObject()
	o := item.Object()
	o.Set("ip_address", m.ip("ipAddresses.ipAddress", a.IPAddress))
	o.Set("mac_address", m.mac())
	o.Set("operational_status", f.text("ipAddresses.operationalStatus", a.OperationalStatus))
	o.Set("type", f.text("ipAddresses.type", a.Type))
	m.keep("ipAddresses.", m.addresses)
	return item
}

// mac is the interface's hardware address as ECS writes it, 00-00-5E-00-53-FF.
// One that is none keeps its text. An all-zero one stands for no address and
// does not get into host.mac.
func (m *machineMapper) mac() ecs.Value {
	v := m.text("ipAddresses.macAddress", m.address.MACAddress)
	if !v.Present() {
		return v
	}
	mac, ok := formatMAC(str(m.address.MACAddress))
	if !ok {
		m.faults.note("ipAddresses.macAddress: not a MAC address")
		return v
	}
	if strings.Trim(mac, "0-") != "" {
		m.macs.add(mac)
	}
	return ecs.Text(mac)
}

// formatMAC writes six or eight bytes in hex, with or without separators, the
// way ECS does.
func formatMAC(s string) (mac string, ok bool) {
	var out [len("00-00-00-00-00-00-00-00")]byte
	n := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ':' || c == '-' || c == '.':
			continue
		case 'a' <= c && c <= 'f':
			c -= 'a' - 'A'
		case '0' <= c && c <= '9' || 'A' <= c && c <= 'F':
		default:
			return "", false
		}
		if n%3 == 2 && n < len(out) {
			out[n] = '-'
			n++
		}
		if n == len(out) {
			return "", false
		}
		out[n] = c
		n++
	}
	return string(out[:n]), n == len("00-00-00-00-00-00") || n == len(out)
}

// lastAddresses maps the addresses last seen. host.ip is the external one only,
// as upstream: Elasticsearch makes host.geo from it, and rules written for the
// integration expect no more there. All addresses are in related.ip.
func (m *machineMapper) lastAddresses(root, vendor *ecs.Object) {
	external := m.ip("lastExternalIpAddress", m.machine.LastExternalIPAddress)
	last := m.ip("lastIpAddress", m.machine.LastIPAddress)
	root.Object("host").Set("ip", m.doc.List(external))
	root.Object("related").Set("ip", m.doc.Texts(m.relatedIP...))
	m.duplicate(vendor, "last_external_ip_address", external)
	vendor.Set("last_ip_address", last)
}

// ip takes an IP address and notes it for related.ip.
func (m *machineMapper) ip(field string, v raw) ecs.Value {
	ip := m.faults.ip(field, v)
	if ip.Present() {
		m.relatedIP.add(ip.String())
	}
	return ip
}

// state keeps what has no ECS field.
func (m *machineMapper) state(vendor *ecs.Object) {
	a, f := &m.machine, m.envelope
	vendor.Set("first_seen", m.faults.milliseconds("firstSeen", a.FirstSeen))
	vendor.Set("last_seen", m.faults.milliseconds("lastSeen", a.LastSeen))
	vendor.Set("is_aad_joined", m.faults.boolean("isAadJoined", a.IsAADJoined))
	vendor.Set("is_excluded", m.faults.boolean("isExcluded", a.IsExcluded))
	vendor.Set("is_potential_duplication", m.faults.boolean("isPotentialDuplication", a.IsPotentialDuplication))
	vendor.Set("exclusion_reason", f.text("exclusionReason", a.ExclusionReason))
	vendor.Set("merged_into_machine_id", f.text("mergedIntoMachineId", a.MergedIntoMachineID))
	vendor.Set("agent_version", f.text("agentVersion", a.AgentVersion))
	vendor.Set("os_architecture", f.text("osArchitecture", a.OSArchitecture))
	vendor.Set("os_build", f.faults.long("osBuild", a.OSBuild))
	vendor.Set("os_version", f.text("osVersion", a.OSVersion))
	vendor.Set("device_value", f.text("deviceValue", a.DeviceValue))
	vendor.Set("exposure_level", f.text("exposureLevel", a.ExposureLevel))
	vendor.Set("health_status", f.text("healthStatus", a.HealthStatus))
	vendor.Set("onboarding_status", f.text("onboardingStatus", a.OnboardingStatus))
	vendor.Set("managed_by", f.text("managedBy", a.ManagedBy))
	vendor.Set("managed_by_status", f.text("managedByStatus", a.ManagedByStatus))
	vendor.Set("machine_tags", m.list(&m.labels, func(tag raw) ecs.Value { return f.text("machineTags", tag) }))
}

// cloud keeps which cloud instance the machine is. Upstream looks for it under
// a name that the API does not use.
func (m *machineMapper) cloud(vendor *ecs.Object) {
	if !m.object("vmMetadata", m.vms, m.machine.VMMetadata, nil) {
		return
	}
	v, f, o := &m.vm, m.envelope, vendor.Object("vm_metadata")
	o.Set("cloud_provider", f.text("vmMetadata.cloudProvider", v.CloudProvider))
	o.Set("resource_id", f.text("vmMetadata.resourceId", v.ResourceID))
	o.Set("subscription_id", f.text("vmMetadata.subscriptionId", v.SubscriptionID))
	o.Set("vm_id", f.text("vmMetadata.vmId", v.VMID))
	m.keep("vmMetadata.", m.vms)
}
