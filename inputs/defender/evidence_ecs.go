package defender

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// One function for each group of ECS fields that an evidence item fills.

// namesUser reports whether the item names anybody. A domain alone is nobody.
func (e *evidence) namesUser() bool {
	return e.AccountName.Text() != "" || e.UserPrincipalName.Text() != "" || e.UserSID.Text() != "" || e.AADUserID.Text() != ""
}

func (m *alertMapper) setEvidenceUser(user *ecs.Object) {
	e := &m.evidence
	name := m.Text(&e.AccountName)
	local, _, email := person(e.UserPrincipalName.Text())
	if !name.Present() {
		name = m.Short(local)
	}
	user.Set("name", name)
	user.Set("domain", m.Text(&e.DomainName))
	id := m.Text(&e.UserSID)
	if !id.Present() {
		id = m.Text(&e.AADUserID)
	}
	user.Set("id", id)
	user.Set("email", ecs.Text(email))
}

// relatedUsers notes who the item names: the account, else what represents it, and
// the principal name.
func (m *alertMapper) relatedUsers() {
	e := &m.evidence
	principal, account := e.UserPrincipalName.Text(), e.AccountName.Text()
	local, _, email := person(principal)
	if account == "" {
		account = local
	}
	m.related.users.Add(account, principal, email)
}

func (m *alertMapper) setFile(file *ecs.Object) {
	e := &m.evidence
	file.Set("name", m.Text(&e.FileName))
	// Upstream has the folder in file.path; ECS has a field for folders.
	folder := m.Text(&e.FilePath)
	file.Set("path", folder)
	file.Set("directory", folder)
	m.setHashes(file)
}

// setHashes sets the item's hashes under the names that follow from their form. What is
// no hash stays with the vendor's fields.
func (m *alertMapper) setHashes(o *ecs.Object) {
	for i := range m.hashes {
		if h := &m.hashes[i]; h.text != "" {
			o.Object("hash").Set(h.algorithm, ecs.Text(h.text))
		}
	}
}

// noHash keeps a hash member's value that is not a hash: ECS has no place for it.
func (m *alertMapper) noHash(f *mapping.Field) ecs.Value {
	i := 0
	if f == &m.evidence.SHA256 {
		i = 1
	}
	if m.hashes[i].text != "" {
		return ecs.Value{}
	}
	return m.Text(f)
}

func (m *alertMapper) setProcess(process *ecs.Object) {
	e := &m.evidence
	pid := m.Long(&e.ProcessID)
	process.Set("pid", pid)
	process.Set("start", m.Date(&e.ProcessCreationTime))
	m.setProgram(process)
	parent := process.Object("parent")
	parent.Set("name", ecs.Text(mapping.BaseName(e.ParentProcessFileName.Text())))
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

// setProgram maps what the process runs. The file of process evidence is its
// image; where none is known, the command line names it.
func (m *alertMapper) setProgram(process *ecs.Object) {
	e := &m.evidence
	process.Set("command_line", m.Text(&e.ProcessCommandLine))
	m.arguments = mapping.AppendArguments(m.arguments[:0], e.ProcessCommandLine.Text())
	process.Set("args", m.Doc.Texts(m.arguments...))
	program, image := "", ""
	if len(m.arguments) > 0 {
		program = m.arguments[0]
	}
	if e.EntityType.Is("process") {
		image = mapping.BaseName(e.FileName.Text())
		m.setHashes(process)
	}
	name := image
	if name == "" {
		name = mapping.BaseName(program)
	}
	process.Set("name", ecs.Text(name))
	var path ecs.Value
	if image != "" {
		path = m.JoinPath(&e.FilePath, &e.FileName)
	}
	if !path.Present() && mapping.BaseName(program) != program && strings.EqualFold(mapping.BaseName(program), name) {
		path = ecs.Text(program)
	}
	process.Set("executable", path)
}

// setRegistry maps registry evidence; the vendor's fields keep it as it came.
func (m *alertMapper) setRegistry(registry *ecs.Object) {
	e := &m.evidence
	hive, key, name := registryHive(e.RegistryHive.Text()), m.keyOf(&e.RegistryKey), e.RegistryValueName.Text()
	if hive == "" {
		hive = m.hive
	}
	registry.Set("hive", ecs.Text(hive))
	registry.Set("key", ecs.Text(key))
	registry.Set("value", m.Text(&e.RegistryValueName))
	data := registry.Object("data")
	data.Set("type", ecs.Text(registryType(e.RegistryValueType.Text())))
	data.Set("strings", m.Doc.List(m.Text(&e.RegistryValue)))
	if hive != "" && key != "" {
		registry.Set("path", m.Short(strings.TrimRight(hive+`\`+key+`\`+name, `\`)))
	}
}

// keyOf is a registry key below its hive, and leaves the hive that it begins with
// in m.hive.
func (m *alertMapper) keyOf(f *mapping.Field) (key string) {
	m.Text(f) // a fault where it is none
	m.hive, key = splitRegistryKey(f.Text())
	return key
}
