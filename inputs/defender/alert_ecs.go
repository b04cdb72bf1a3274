package defender

import (
	"math"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// One function for each group of ECS fields, first those that all documents of an
// alert share, then those of its evidence.

func (m *alertMapper) eventFields() mapping.Table {
	a := &m.alert
	return mapping.Table{
		mapping.To("id", &a.ID, m.Text),
		mapping.To("created", &a.CreationTime, m.Date),
		mapping.To("start", &a.FirstEventTime, m.Date),
		mapping.To("end", &a.LastEventTime, m.Date),
	}
}

func (m *alertMapper) setEvent(event *ecs.Object) {
	a := &m.alert
	m.event.Fill(event)
	start, ok := a.FirstEventTime.Time()
	end, also := a.LastEventTime.Time()
	if d := end.Sub(start); ok && also && d != math.MaxInt64 && d != math.MinInt64 {
		event.Set("duration", ecs.Int(int64(d)))
	}
	event.Set("severity", severity(&a.Severity))
	event.Set("action", m.Text(&a.Category))
}

// severity is event.severity, as Kibana's rules have it.
func severity(f *mapping.Field) ecs.Value {
	switch {
	case f.Is("informational"), f.Is("low"):
		return ecs.Int(21)
	case f.Is("medium"):
		return ecs.Int(47)
	case f.Is("high"):
		return ecs.Int(73)
	case f.Is("critical"):
		return ecs.Int(99)
	default:
		return ecs.Value{}
	}
}

// setKind sets event.category and event.type of a document, after its evidence.
func (m *alertMapper) setKind(event *ecs.Object) {
	switch a := &m.alert; {
	case a.Status.Is("new"):
		m.types.Add("start")
	case a.Status.Is("resolved"):
		m.types.Add("end")
	}
	event.Set("category", m.Doc.Texts(m.categories...))
	event.Set("type", m.Doc.Texts(m.types...))
}

func (m *alertMapper) setThreat(threat *ecs.Object) {
	technique := threat.Object("technique")
	if category := m.Text(&m.alert.Category); category.Present() {
		threat.Set("framework", ecs.Text("MITRE ATT&CK"))
		technique.Set("name", m.Doc.List(category))
		threat.Object("tactic").Set("name", m.Doc.List(category))
	}
	technique.Set("id", m.techniqueIDs)
}

func (m *alertMapper) setHost(root *ecs.Object) {
	a := &m.alert
	cloud, host := root.Object("cloud"), root.Object("host")
	cloud.Object("account").Set("id", m.Text(&a.AADTenantID))
	id := m.Text(&a.MachineID)
	cloud.Object("instance").Set("id", id)
	host.Set("id", id)
	host.Set("hostname", m.Text(&a.ComputerDNSName))
	name := strings.ToLower(a.ComputerDNSName.Text())
	host.Set("name", ecs.Text(name))
	m.relatedHost = m.relatedHost[:0]
	m.relatedHost.Add(name)
}

func (m *alertMapper) setUser(user *ecs.Object) {
	if !m.Object(m.users, m.alert.RelatedUser.Value) {
		return
	}
	user.Set("name", m.Text(&m.user.UserName))
	user.Set("domain", m.Text(&m.user.DomainName))
	m.Keep(m.users)
}

// setEvidenceUser completes the user with what evidence tells.
func (m *alertMapper) setEvidenceUser(user *ecs.Object) {
	user.Set("id", m.Text(&m.evidence.UserSID))
}

func (m *alertMapper) setFile(file *ecs.Object) {
	e := &m.evidence
	file.Set("name", m.Text(&e.FileName))
	// Upstream has the folder in file.path; ECS has a field for folders.
	folder := m.Text(&e.FilePath)
	file.Set("path", folder)
	file.Set("directory", folder)
	hash := file.Object("hash")
	hash.Set("sha1", m.Text(&e.SHA1))
	hash.Set("sha256", m.Text(&e.SHA256))
}

func (m *alertMapper) setProcess(process *ecs.Object) {
	e := &m.evidence
	pid := m.Long(&e.ProcessID)
	process.Set("pid", pid)
	process.Set("start", m.Date(&e.ProcessCreationTime))
	process.Set("command_line", m.Text(&e.ProcessCommandLine))
	program := mapping.Executable(e.ProcessCommandLine.Text())
	process.Set("name", ecs.Text(mapping.BaseName(program)))
	if mapping.BaseName(program) != program {
		process.Set("executable", ecs.Text(program))
	}
	if e.EntityType.Is("process") {
		process.Set("executable", m.JoinPath(&e.FilePath, &e.FileName))
	}
	parent := process.Object("parent")
	parent.Set("name", m.Text(&e.ParentProcessFileName))
	parent.Set("executable", m.JoinPath(&e.ParentProcessFilePath, &e.ParentProcessFileName))
	parentPID := m.Long(&e.ParentProcessID)
	parent.Set("pid", parentPID)
	parent.Set("start", m.Date(&e.ParentProcessCreationTime))
	if pid.Present() {
		process.Set("entity_id", ecs.Text(pid.String()))
	}
	if parentPID.Present() {
		parent.Set("entity_id", ecs.Text(parentPID.String()))
	}
}

// setRegistry maps registry evidence; the vendor's fields keep it as it came.
func (m *alertMapper) setRegistry(registry *ecs.Object) {
	e := &m.evidence
	hive, key, name := e.RegistryHive.Text(), e.RegistryKey.Text(), e.RegistryValueName.Text()
	if short, ok := hives[strings.ToUpper(hive)]; ok {
		hive = short
	}
	registry.Set("hive", ecs.Text(hive))
	registry.Set("key", m.Text(&e.RegistryKey))
	registry.Set("value", m.Text(&e.RegistryValueName))
	data := registry.Object("data")
	data.Set("type", m.Text(&e.RegistryValueType))
	data.Set("strings", m.Doc.List(m.Text(&e.RegistryValue)))
	if hive != "" && key != "" {
		registry.Set("path", m.Short(strings.TrimRight(hive+`\`+key+`\`+name, `\`)))
	}
}

// hives are the short names of ECS.
var hives = map[string]string{
	"HKEY_CLASSES_ROOT": "HKCR", "HKEY_CURRENT_CONFIG": "HKCC", "HKEY_CURRENT_USER": "HKCU",
	"HKEY_LOCAL_MACHINE": "HKLM", "HKEY_USERS": "HKU",
}

func (m *alertMapper) setRelated(related *ecs.Object) {
	related.Set("hash", m.Doc.Texts(m.relatedHash...))
	related.Set("hosts", m.Doc.Texts(m.relatedHost...))
	related.Set("ip", m.Doc.Texts(m.relatedIP...))
	related.Set("user", m.Doc.List(m.Doc.Get("user.name")))
}
