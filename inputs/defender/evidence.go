package defender

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// evidence is one evidence item: the union of all properties, unused ones null.
type evidence struct {
	EntityType                mapping.Field `json:"entityType"`           // User, Process, File, Ip, Url, Registry...: open set
	CreationTime              mapping.Field `json:"evidenceCreationTime"` // timestamp; absent in old data
	DetectionStatus           mapping.Field `json:"detectionStatus"`      // open set
	SHA1                      mapping.Field `json:"sha1"`
	SHA256                    mapping.Field `json:"sha256"`
	FileName                  mapping.Field `json:"fileName"`
	FilePath                  mapping.Field `json:"filePath"`  // the folder, without the file's name
	ProcessID                 mapping.Field `json:"processId"` // number
	ProcessCommandLine        mapping.Field `json:"processCommandLine"`
	ProcessCreationTime       mapping.Field `json:"processCreationTime"`       // timestamp
	ParentProcessID           mapping.Field `json:"parentProcessId"`           // number
	ParentProcessCreationTime mapping.Field `json:"parentProcessCreationTime"` // timestamp
	IPAddress                 mapping.Field `json:"ipAddress"`
	URL                       mapping.Field `json:"url"`
	ParentProcessFileName     mapping.Field `json:"parentProcessFileName"`
	ParentProcessFilePath     mapping.Field `json:"parentProcessFilePath"` // the folder
	RegistryKey               mapping.Field `json:"registryKey"`           // without the hive
	RegistryHive              mapping.Field `json:"registryHive"`          // HKEY_LOCAL_MACHINE...
	RegistryValueType         mapping.Field `json:"registryValueType"`     // ExpandString...
	RegistryValue             mapping.Field `json:"registryValue"`
	RegistryValueName         mapping.Field `json:"registryValueName"`
	AccountName               mapping.Field `json:"accountName"`
	DomainName                mapping.Field `json:"domainName"`
	UserSID                   mapping.Field `json:"userSid"`
	AADUserID                 mapping.Field `json:"aadUserId"`
	UserPrincipalName         mapping.Field `json:"userPrincipalName"`
}

// evidenceRest keeps what has no ECS field.
func (m *alertMapper) evidenceRest() mapping.Table {
	e := &m.evidence
	return mapping.Table{
		mapping.Own(&e.EntityType, m.Text),
		mapping.Own(&e.CreationTime, m.Date),
		mapping.Own(&e.DetectionStatus, m.Text),
		mapping.Own(&e.SHA1, m.noHash),
		mapping.Own(&e.SHA256, m.noHash),
		mapping.Own(&e.IPAddress, m.IP),
		mapping.Own(&e.ParentProcessFileName, m.Text),
		mapping.Own(&e.ParentProcessFilePath, m.Text),
		mapping.Own(&e.RegistryHive, m.Text),
		mapping.Own(&e.RegistryKey, m.Text),
		mapping.Own(&e.RegistryValueType, m.Text),
		mapping.Own(&e.RegistryValue, m.Text),
		mapping.Own(&e.RegistryValueName, m.Text),
		mapping.Own(&e.AccountName, m.Text),
		mapping.Own(&e.DomainName, m.Text),
		mapping.Own(&e.AADUserID, m.Text),
		mapping.Own(&e.UserPrincipalName, m.Text),
	}
}

// evidenceWhole is all of an evidence item. The six at the end are there because
// they were the first to be shaped.
func (m *alertMapper) evidenceWhole() mapping.Table {
	e := &m.evidence
	return mapping.Table{
		mapping.Own(&e.EntityType, m.Text),
		mapping.Own(&e.CreationTime, m.Date),
		mapping.Own(&e.SHA1, m.Text),
		mapping.Own(&e.SHA256, m.Text),
		mapping.Own(&e.FileName, m.Text),
		mapping.Own(&e.FilePath, m.Text),
		mapping.Own(&e.ProcessCommandLine, m.Text),
		mapping.Own(&e.ParentProcessFileName, m.Text),
		mapping.Own(&e.ParentProcessFilePath, m.Text),
		mapping.Own(&e.URL, m.Text),
		mapping.Own(&e.RegistryKey, m.Text),
		mapping.Own(&e.RegistryHive, m.Text),
		mapping.Own(&e.RegistryValueType, m.Text),
		mapping.Own(&e.RegistryValue, m.Text),
		mapping.Own(&e.RegistryValueName, m.Text),
		mapping.Own(&e.AccountName, m.Text),
		mapping.Own(&e.DomainName, m.Text),
		mapping.Own(&e.UserSID, m.Text),
		mapping.Own(&e.AADUserID, m.Text),
		mapping.Own(&e.UserPrincipalName, m.Text),
		mapping.Own(&e.DetectionStatus, m.Text),
		mapping.Own(&e.IPAddress, m.IP),
		mapping.Own(&e.ProcessID, m.Long),
		mapping.Own(&e.ParentProcessID, m.Long),
		mapping.Own(&e.ProcessCreationTime, m.Date),
		mapping.Own(&e.ParentProcessCreationTime, m.Date),
	}
}

// splitEvidence maps the one evidence item of a document to ECS, and the rest of
// it to the vendor's object.
func (m *alertMapper) splitEvidence(root *ecs.Object, item raw) {
	if !m.readEvidence(item) {
		return
	}
	m.setFile(root.Object("file"))
	m.setProcess(root.Object("process"))
	m.setRegistry(root.Object("registry"))
	m.related.url(mapping.SetURL(root.Object("url"), m.Text(&m.evidence.URL)))
	m.person = m.evidence.namesUser()
	if m.evidence.isForeign() {
		m.foreignFields.Fill(m.Vendor().Object("evidence"))
	} else {
		m.evidenceFields.Fill(m.Vendor().Object("evidence"))
	}
	m.Keep(m.evidences)
}

// wholeEvidence is an evidence item under the names that it came with.
func (m *alertMapper) wholeEvidence(item raw) ecs.Value {
	if !m.readEvidence(item) {
		return ecs.Value{}
	}
	if u, ok := mapping.ParseURL(m.evidence.URL.Text()); ok {
		m.related.url(u)
	}
	v := m.Doc.NewObject()
	m.evidenceFields.Fill(v.Object())
	m.Keep(m.evidences)
	return v
}

// readEvidence decodes an item and notes what ECS takes as lists.
func (m *alertMapper) readEvidence(item raw) bool {
	if !m.Element(m.evidences, item) {
		return false
	}
	e := &m.evidence
	switch {
	case e.EntityType.Is("process"):
		m.categories.Add("process")
	case e.EntityType.Is("user"):
		m.types.Add("access")
	}
	for i, f := range []*mapping.Field{&e.SHA1, &e.SHA256} {
		h := &m.hashes[i]
		h.algorithm, h.text = mapping.Hash(f.Text())
		m.related.hashes.Add(h.text)
	}
	m.related.ip(m.IP(&e.IPAddress))
	m.relatedUsers()
	return true
}

// isForeign reports whether an item's type is not this API's but that of another
// product of Microsoft, such as MailMessage: all that it has is kept under the
// vendor prefix, regardless of what ECS takes of it.
func (e *evidence) isForeign() bool {
	kind := e.EntityType.Text()
	if len(kind) >= len("registry") && strings.EqualFold(kind[:len("registry")], "registry") {
		return false // Registry, RegistryKey, RegistryValue
	}
	for _, known := range []string{"", "user", "process", "file", "ip", "url"} {
		if strings.EqualFold(kind, known) {
			return false
		}
	}
	return true
}
