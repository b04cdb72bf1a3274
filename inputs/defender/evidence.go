package defender

import (
	"net/url"
	"path"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// evidence is one evidence item: the union of all properties, unused ones null.
type evidence struct {
	EntityType                raw `json:"entityType"`           // User, Process, File, Ip, Url, Registry...: open set
	CreationTime              raw `json:"evidenceCreationTime"` // timestamp; absent in old data
	DetectionStatus           raw `json:"detectionStatus"`      // open set
	SHA1                      raw `json:"sha1"`
	SHA256                    raw `json:"sha256"`
	FileName                  raw `json:"fileName"`
	FilePath                  raw `json:"filePath"`  // the folder, without the file's name
	ProcessID                 raw `json:"processId"` // number
	ProcessCommandLine        raw `json:"processCommandLine"`
	ProcessCreationTime       raw `json:"processCreationTime"`       // timestamp
	ParentProcessID           raw `json:"parentProcessId"`           // number
	ParentProcessCreationTime raw `json:"parentProcessCreationTime"` // timestamp
	IPAddress                 raw `json:"ipAddress"`
	URL                       raw `json:"url"`
	ParentProcessFileName     raw `json:"parentProcessFileName"`
	ParentProcessFilePath     raw `json:"parentProcessFilePath"` // the folder
	RegistryKey               raw `json:"registryKey"`           // without the hive
	RegistryHive              raw `json:"registryHive"`          // HKEY_LOCAL_MACHINE...
	RegistryValueType         raw `json:"registryValueType"`     // ExpandString...
	RegistryValue             raw `json:"registryValue"`
	RegistryValueName         raw `json:"registryValueName"`
	AccountName               raw `json:"accountName"`
	DomainName                raw `json:"domainName"`
	UserSID                   raw `json:"userSid"`
	AADUserID                 raw `json:"aadUserId"`
	UserPrincipalName         raw `json:"userPrincipalName"`
}

// evidenceItems maps one evidence item to ECS and the vendor's object, or
// several of them to the vendor's list, with only what ECS takes as lists.
func (m *alertMapper) evidenceItems(root *ecs.Object, items []raw) {
	vendor := root.Object(m.vendor[0]).Object(m.vendor[1])
	m.values = m.values[:0]
	for _, item := range items {
		if err := m.evidences.decode(item); err != nil {
			m.faults.add("evidence", "an object", item)
			continue
		}
		switch {
		case is(m.evidence.EntityType, "process"):
			m.categories.add("process")
		case is(m.evidence.EntityType, "user"):
			m.types.add("access")
		}
		m.relatedHash.add(str(m.evidence.SHA1), str(m.evidence.SHA256))
		if ip := m.faults.ip("evidence.ipAddress", m.evidence.IPAddress); ip.Present() {
			m.relatedIP.add(ip.String())
		}
		if m.config.Evidence == "whole" {
			m.values = append(m.values, m.wholeEvidence())
			continue
		}
		m.file(root.Object("file"))
		m.process(root.Object("process"))
		m.registry(root.Object("registry"))
		setURL(root.Object("url"), m.text("evidence.url", m.evidence.URL))
		root.Object("user").Set("id", m.text("evidence.userSid", m.evidence.UserSID))
		m.vendorEvidence(vendor.Object("evidence"))
	}
	vendor.Set("evidence", m.doc.List(m.values...))
}

// wholeEvidence is an evidence item under the names that it came with. The five
// at the end stand there because they were the first to be shaped.
func (m *alertMapper) wholeEvidence() ecs.Value {
	e, f, item := &m.evidence, m.envelope, m.doc.NewObject()
	o := item.Object()
	o.Set("entityType", f.text("evidence.entityType", e.EntityType))
	o.Set("evidenceCreationTime", f.faults.date("evidence.evidenceCreationTime", e.CreationTime))
	o.Set("sha1", f.text("evidence.sha1", e.SHA1))
	o.Set("sha256", f.text("evidence.sha256", e.SHA256))
	o.Set("fileName", f.text("evidence.fileName", e.FileName))
	o.Set("filePath", f.text("evidence.filePath", e.FilePath))
	o.Set("processCommandLine", f.text("evidence.processCommandLine", e.ProcessCommandLine))
	o.Set("parentProcessFileName", f.text("evidence.parentProcessFileName", e.ParentProcessFileName))
	o.Set("parentProcessFilePath", f.text("evidence.parentProcessFilePath", e.ParentProcessFilePath))
	o.Set("url", f.text("evidence.url", e.URL))
	o.Set("registryKey", f.text("evidence.registryKey", e.RegistryKey))
	o.Set("registryHive", f.text("evidence.registryHive", e.RegistryHive))
	o.Set("registryValueType", f.text("evidence.registryValueType", e.RegistryValueType))
	o.Set("registryValue", f.text("evidence.registryValue", e.RegistryValue))
	o.Set("registryValueName", f.text("evidence.registryValueName", e.RegistryValueName))
	o.Set("accountName", f.text("evidence.accountName", e.AccountName))
	o.Set("domainName", f.text("evidence.domainName", e.DomainName))
	o.Set("userSid", f.text("evidence.userSid", e.UserSID))
	o.Set("aadUserId", f.text("evidence.aadUserId", e.AADUserID))
	o.Set("userPrincipalName", f.text("evidence.userPrincipalName", e.UserPrincipalName))
	o.Set("detectionStatus", f.text("evidence.detectionStatus", e.DetectionStatus))
	o.Set("ipAddress", validIP(e.IPAddress))
	o.Set("processId", f.faults.long("evidence.processId", e.ProcessID))
	o.Set("parentProcessId", f.faults.long("evidence.parentProcessId", e.ParentProcessID))
	o.Set("processCreationTime", f.faults.date("evidence.processCreationTime", e.ProcessCreationTime))
	o.Set("parentProcessCreationTime", f.faults.date("evidence.parentProcessCreationTime", e.ParentProcessCreationTime))
	m.keep("evidence.", m.evidences)
	return item
}

func (m *alertMapper) file(file *ecs.Object) {
	e, f := &m.evidence, m.envelope
	file.Set("name", f.text("evidence.fileName", e.FileName))
	// Upstream has the folder in file.path; ECS has a field for folders.
	file.Set("path", f.text("evidence.filePath", e.FilePath))
	file.Set("directory", f.text("evidence.filePath", e.FilePath))
	hash := file.Object("hash")
	hash.Set("sha1", f.text("evidence.sha1", e.SHA1))
	hash.Set("sha256", f.text("evidence.sha256", e.SHA256))
}

func (m *alertMapper) process(process *ecs.Object) {
	e, f := &m.evidence, m.envelope
	pid := f.faults.long("evidence.processId", e.ProcessID)
	process.Set("pid", pid)
	process.Set("start", f.faults.date("evidence.processCreationTime", e.ProcessCreationTime))
	process.Set("command_line", f.text("evidence.processCommandLine", e.ProcessCommandLine))
	program := executable(str(e.ProcessCommandLine))
	process.Set("name", ecs.Text(baseName(program)))
	if baseName(program) != program {
		process.Set("executable", ecs.Text(program))
	}
	if is(e.EntityType, "process") {
		process.Set("executable", m.joinPath(e.FilePath, e.FileName))
	}
	parent := process.Object("parent")
	parent.Set("name", f.text("evidence.parentProcessFileName", e.ParentProcessFileName))
	parent.Set("executable", m.joinPath(e.ParentProcessFilePath, e.ParentProcessFileName))
	parentPID := f.faults.long("evidence.parentProcessId", e.ParentProcessID)
	parent.Set("pid", parentPID)
	parent.Set("start", f.faults.date("evidence.parentProcessCreationTime", e.ParentProcessCreationTime))
	if pid.Present() {
		process.Set("entity_id", ecs.Text(pid.String()))
	}
	if parentPID.Present() {
		parent.Set("entity_id", ecs.Text(parentPID.String()))
	}
}

// registry maps registry evidence; the vendor's fields keep it as it came.
func (m *alertMapper) registry(registry *ecs.Object) {
	e, f := &m.evidence, m.envelope
	hive, key, name := str(e.RegistryHive), str(e.RegistryKey), str(e.RegistryValueName)
	if short, ok := hives[strings.ToUpper(hive)]; ok {
		hive = short
	}
	registry.Set("hive", ecs.Text(hive))
	registry.Set("key", f.text("evidence.registryKey", e.RegistryKey))
	registry.Set("value", f.text("evidence.registryValueName", e.RegistryValueName))
	data := registry.Object("data")
	data.Set("type", f.text("evidence.registryValueType", e.RegistryValueType))
	data.Set("strings", m.doc.List(f.text("evidence.registryValue", e.RegistryValue)))
	if hive != "" && key != "" {
		registry.Set("path", m.short(strings.TrimRight(hive+`\`+key+`\`+name, `\`)))
	}
}

// vendorEvidence keeps what has no ECS field.
func (m *alertMapper) vendorEvidence(o *ecs.Object) {
	e, f := &m.evidence, m.envelope
	o.Set("entityType", f.text("evidence.entityType", e.EntityType))
	o.Set("evidenceCreationTime", f.faults.date("evidence.evidenceCreationTime", e.CreationTime))
	o.Set("detectionStatus", f.text("evidence.detectionStatus", e.DetectionStatus))
	o.Set("ipAddress", validIP(e.IPAddress))
	o.Set("parentProcessFileName", f.text("evidence.parentProcessFileName", e.ParentProcessFileName))
	o.Set("parentProcessFilePath", f.text("evidence.parentProcessFilePath", e.ParentProcessFilePath))
	o.Set("registryHive", f.text("evidence.registryHive", e.RegistryHive))
	o.Set("registryKey", f.text("evidence.registryKey", e.RegistryKey))
	o.Set("registryValueType", f.text("evidence.registryValueType", e.RegistryValueType))
	o.Set("registryValue", f.text("evidence.registryValue", e.RegistryValue))
	o.Set("registryValueName", f.text("evidence.registryValueName", e.RegistryValueName))
	o.Set("accountName", f.text("evidence.accountName", e.AccountName))
	o.Set("domainName", f.text("evidence.domainName", e.DomainName))
	o.Set("aadUserId", f.text("evidence.aadUserId", e.AADUserID))
	o.Set("userPrincipalName", f.text("evidence.userPrincipalName", e.UserPrincipalName))
	m.keep("evidence.", m.evidences)
}

// joinPath is the path of a file in a folder, absent unless both are known.
func (e *envelope) joinPath(folder, name raw) ecs.Value {
	dir, file := str(folder), str(name)
	if dir == "" || file == "" {
		return ecs.Value{}
	}
	separator := `\`
	if strings.HasPrefix(dir, "/") {
		separator = "/"
	}
	return e.short(strings.TrimRight(dir, `/\`) + separator + file)
}

// hives are the short names of ECS.
var hives = map[string]string{
	"HKEY_CLASSES_ROOT": "HKCR", "HKEY_CURRENT_CONFIG": "HKCC", "HKEY_CURRENT_USER": "HKCU",
	"HKEY_LOCAL_MACHINE": "HKLM", "HKEY_USERS": "HKU",
}

// executable is the program of a command line: the first word, or what stands
// between the quotes it begins with.
func executable(commandLine string) string {
	s := strings.TrimSpace(commandLine)
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		program, _, _ := strings.Cut(quoted, `"`)
		return program
	}
	program, _, _ := strings.Cut(s, " ")
	return strings.ReplaceAll(program, `"`, "")
}

func validIP(v raw) ecs.Value {
	var ignored faults
	return ignored.ip("", v)
}

// setURL splits a URL into url.*. One that cannot be parsed keeps its text.
func setURL(o *ecs.Object, full ecs.Value) {
	if !full.Present() {
		return
	}
	o.Set("full", full)
	o.Set("original", full)
	u, err := url.Parse(full.String())
	if err != nil {
		return
	}
	o.Set("scheme", ecs.Text(u.Scheme))
	domain := u.Hostname()
	if strings.Contains(domain, ":") {
		domain = "[" + domain + "]" // as ECS wants an IPv6 address
	}
	o.Set("domain", ecs.Text(domain))
	var ignored faults
	o.Set("port", ignored.long("", raw(u.Port())))
	o.Set("path", ecs.Text(u.Path))
	o.Set("extension", ecs.Text(strings.TrimPrefix(path.Ext(u.Path), ".")))
	o.Set("query", ecs.Text(u.RawQuery))
	o.Set("fragment", ecs.Text(u.Fragment))
	o.Set("username", ecs.Text(u.User.Username()))
	password, _ := u.User.Password()
	o.Set("password", ecs.Text(password))
}
