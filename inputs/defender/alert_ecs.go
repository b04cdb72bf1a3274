package defender

import (
	"math"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/attack"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// One function for each group of ECS fields that all documents of an alert share.
// Those of its evidence are in evidence_ecs.go.

func (m *alertMapper) eventFields() mapping.Table {
	a := &m.alert
	return mapping.Table{
		mapping.To("id", &a.ID, m.Text),
		mapping.To("created", &a.CreationTime, m.Date),
		mapping.To("start", &a.FirstEventTime, m.Date),
		mapping.To("end", &a.LastEventTime, m.Date),
		mapping.To("action", &a.Category, m.Text),
	}
}

func (m *alertMapper) setEvent(event *ecs.Object) {
	a := &m.alert
	m.event.Fill(event)
	if !event.Get("created").Present() {
		event.Set("created", m.created())
	}
	event.Set("duration", duration(&a.FirstEventTime, &a.LastEventTime))
	event.Set("severity", severity(&a.Severity))
	event.Set("url", m.portal.page("alerts", a.ID.Text(), m.tenant()))
}

// created is event.created of an alert that does not say when it was created:
// Kibana's response actions need it on each alert.
func (m *alertMapper) created() ecs.Value {
	for _, f := range []*mapping.Field{&m.alert.FirstEventTime, &m.alert.LastUpdateTime} {
		if _, ok := f.Time(); ok {
			return m.Date(f)
		}
	}
	return ecs.Time(m.time)
}

// duration is event.duration, in nanoseconds; there is none where the end is
// before the start, or is later than a time.Duration can express.
func duration(first, last *mapping.Field) ecs.Value {
	start, ok := first.Time()
	end, also := last.Time()
	if d := end.Sub(start); ok && also && d >= 0 && d != math.MaxInt64 {
		return ecs.Int(int64(d))
	}
	return ecs.Value{}
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

// setRule says which rule of Defender raised the alert. message is what Kibana
// names its alerts by, so that there always is one.
func (m *alertMapper) setRule(root *ecs.Object) {
	a, rule := &m.alert, root.Object("rule")
	title := m.Text(&a.Title)
	rule.Set("name", title)
	rule.Set("id", m.Text(&a.DetectorID))
	rule.Set("description", m.Text(&a.Description))
	for _, f := range []*mapping.Field{&a.Category, &a.ID} {
		if !title.Present() {
			title = m.Text(f)
		}
	}
	root.Set("message", title)
}

// techniques are an alert's: as they came, and apart.
type techniques struct {
	given     ecs.Value
	ids, subs mapping.Union
}

func (t *techniques) reset() { *t = techniques{ids: t.ids[:0], subs: t.subs[:0]} }

// add takes a technique's id. What is none is under the vendor prefix alone.
func (t *techniques) add(text string) {
	technique, sub, _ := attack.ParseTechnique(text)
	t.ids.Add(technique)
	t.subs.Add(sub)
}

// setThreat maps the category and the techniques. threat.technique.name begins
// with the category, where Elastic's package puts it.
func (m *alertMapper) setThreat(threat *ecs.Object) {
	category := m.Text(&m.alert.Category)
	if !category.Present() && len(m.attack.ids) == 0 {
		return
	}
	threat.Set("framework", ecs.Text("MITRE ATT&CK"))
	if tactic, ok := attack.TacticOf(m.alert.Category.Text()); ok {
		o := threat.Object("tactic")
		o.Set("id", m.Doc.Texts(tactic.ID))
		o.Set("name", m.Doc.Texts(tactic.Name))
	}
	technique := threat.Object("technique")
	technique.Set("id", m.Doc.Texts(m.attack.ids...))
	m.names = m.names[:0]
	m.names.Add(m.alert.Category.Text())
	technique.Set("name", m.techniqueNames(m.attack.ids))
	if len(m.attack.subs) > 0 {
		m.names = m.names[:0]
		sub := technique.Object("subtechnique")
		sub.Set("id", m.Doc.Texts(m.attack.subs...))
		sub.Set("name", m.techniqueNames(m.attack.subs))
	}
}

// techniqueNames are the names of the techniques, appended to m.names. An unknown
// technique has no name.
func (m *alertMapper) techniqueNames(ids []string) ecs.Value {
	for _, id := range ids {
		if name := attack.TechniqueName(id); name != "" {
			m.names = append(m.names, name)
		}
	}
	return m.Doc.Texts(m.names...)
}

// tenant is the alert's, or that of the token where it does not say.
func (m *alertMapper) tenant() string {
	if id := m.alert.AADTenantID.Text(); id != "" {
		return id
	}
	return m.Account()
}

func (m *alertMapper) setHost(root *ecs.Object) {
	a := &m.alert
	m.Text(&a.AADTenantID) // a fault where it is none
	setMachine(m.Envelope, root, &a.MachineID, &a.ComputerDNSName, m.tenant())
	m.related.host(a.ComputerDNSName.Text())
}

// setMachine says in every stream alike which machine a document is about, so
// that they can be joined and Kibana's response actions find it.
func setMachine(e *mapping.Envelope, root *ecs.Object, id, name *mapping.Field, tenant string) {
	cloud, host := root.Object("cloud"), root.Object("host")
	cloud.Set("provider", ecs.Text("azure"))
	cloud.Object("account").Set("id", e.Short(tenant))
	machine := e.Text(id)
	cloud.Object("instance").Set("id", machine)
	host.Set("id", machine)
	host.Set("hostname", e.Text(name))
	host.Set("name", ecs.Text(strings.ToLower(name.Text())))
}

// setGroup says which group of devices a machine is in.
func setGroup(e *mapping.Envelope, root *ecs.Object, id, name *mapping.Field) {
	group := root.Object("group")
	group.Set("id", e.Text(id))
	group.Set("name", e.Text(name))
}

// readRelatedUser decodes the user that the alert names; see setUser.
func (m *alertMapper) readRelatedUser() {
	m.hasUser = m.Object(m.users, m.alert.RelatedUser.Value)
	if !m.hasUser {
		return
	}
	m.related.users.Add(m.user.UserName.Text())
	m.Text(&m.user.UserName) // a fault where it is none
	m.Text(&m.user.DomainName)
	m.Keep(m.users)
}

// setUser maps one person: the one that the document's evidence names, else the
// alert's related user.
func (m *alertMapper) setUser(user *ecs.Object) {
	if m.person {
		m.setEvidenceUser(user)
	} else if m.hasUser {
		user.Set("name", m.Text(&m.user.UserName))
		user.Set("domain", m.Text(&m.user.DomainName))
	}
}
