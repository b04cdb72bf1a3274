package mapping

import (
	"slices"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	ecsVersion = "8.17.0"

	// TagOriginal is the tag of a document with event.original: without it the
	// stack's final pipeline removes that field.
	TagOriginal   = "preserve_original_event"
	tagDuplicates = "preserve_duplicate_custom_fields"
)

// Settings are what the documents of one stream have in common.
type Settings struct {
	Vendor     Vendor
	Module     string // event.module
	Input      string // input.type
	DataStream inputs.DataStream
	Tenant     string // part of every id, so that two tenants' records never share one
	// Sets are the record's members that are lists whose order means nothing: two
	// records that differ in it alone are one version.
	Sets []string
	// Sentinels are the texts by which the source says "nothing", beside those that
	// are Blank.
	Sentinels []string
	Tags      []string
	Agent     inputs.Agent
	// PreserveOriginal keeps every record in event.original, and
	// PreserveDuplicates vendor fields whose value is also in an ECS field.
	PreserveOriginal, PreserveDuplicates bool

	// Process changes a finished document, or returns false to drop it; nil leaves
	// it as it is.
	Process func(*ecs.Document) (keep bool)
	// Drift counts members that are not known; nil counts nothing.
	Drift *Drift
	// Now is the clock, for records without a time. Required.
	Now func() time.Time
}

// Vendor is the object of a document that has what ECS has no field for.
type Vendor struct {
	Path  [2]string // its name from the root
	Snake bool      // its members' names are like os_platform; else as the API has them
}

// Envelope makes the documents of one stream: what every document carries
// beside its record, its id, and the note of what could not be mapped. A
// RecordMapper embeds it and maps one record at a time.
type Envelope struct {
	// Doc is the document being made, from Begin to Finish.
	Doc ecs.Document
	// Sweep is the one that the record being mapped belongs to.
	Sweep Sweep

	settings  Settings
	account   string   // see Mapper.Account
	sentinels []string // as they are in a record
	longest   int      // length of the longest one
	tags      []ecs.Value
	more      []string // tags of the document alone
	common    ecs.Mark // of the document with what every document has
	ids       identifier
	record    Raw      // the record being mapped
	records   *Decoder // of it
	content   content  // of it
	mapping   bool     // the record is being mapped, and its memory is what it was
	faults    faults
	// lossy says of a document that some of the record is in the original alone,
	// without being a fault.
	lossy   bool
	partial string // tag of the documents; see Mapper.Partial
	kept    int    // values in the document's unknown; see Keep
	unknown int    // members kept without being known, until it is taken
	compact Raw    // a container on its way to a text
	values  []ecs.Value
	several []ecs.Value // see Keep
}

// NewEnvelope makes the envelope of a stream.
func NewEnvelope(s Settings) *Envelope {
	var tags Union
	if s.PreserveOriginal {
		tags.Add(TagOriginal)
	}
	if s.PreserveDuplicates {
		tags.Add(tagDuplicates)
	}
	tags.Add(s.Tags...)
	e := &Envelope{settings: s, ids: newIdentifier(s.DataStream.Dataset, s.Tenant)}
	e.tags = e.Doc.Texts(tags...).Values()
	for _, text := range s.Sentinels {
		e.sentinels = append(e.sentinels, `"`+text+`"`)
		e.longest = max(e.longest, len(text)+2)
	}
	e.setCommon()
	return e
}

// Decoder makes a decoder of the struct of Fields and Lists that target points
// to. place is the way to its objects in a record, empty for the record itself.
func (e *Envelope) Decoder(place string, target any) *Decoder {
	own := func(name string) string { return name }
	if e.settings.Vendor.Snake {
		own = snake
	}
	d := newDecoder(place, own, target)
	if place == "" {
		d.markSets(e.settings.Sets)
		e.records = d
	}
	return d
}

// setCommon sets what every document has.
func (e *Envelope) setCommon() {
	root := e.Doc.Root()
	e.setAgent(root)
	s := &e.settings
	stream := root.Object("data_stream")
	stream.Set("type", ecs.Text(s.DataStream.Type))
	stream.Set("dataset", ecs.Text(s.DataStream.Dataset))
	stream.Set("namespace", ecs.Text(s.DataStream.Namespace))
	root.Object("ecs").Set("version", ecs.Text(ecsVersion))
	root.Object("input").Set("type", ecs.Text(s.Input))
	root.Set("tags", ecs.List(e.tags...))
	event := root.Object("event")
	event.Set("dataset", ecs.Text(s.DataStream.Dataset))
	event.Set("module", ecs.Text(s.Module))
	e.common = e.Doc.Keep()
}

func (e *Envelope) setAgent(root *ecs.Object) {
	agent := e.settings.Agent
	if agent.ID == "" {
		return
	}
	a := root.Object("agent")
	a.Set("id", ecs.Text(agent.ID))
	a.Set("name", ecs.Text(agent.Name))
	a.Set("type", ecs.Text(agent.Type))
	a.Set("version", ecs.Text(agent.Version))
	a.Set("ephemeral_id", ecs.Text(agent.EphemeralID))
	ea := root.Object("elastic_agent")
	ea.Set("id", ecs.Text(agent.ID))
	ea.Set("version", ecs.Text(agent.Version))
	ea.Set("snapshot", ecs.Bool(agent.Snapshot))
}

// Start takes the record to be mapped next.
func (e *Envelope) Start(record Raw) {
	e.record, e.faults, e.content.written = record, e.faults[:0], false
}

// contentOf is the record's content. It is written when it is asked for: most
// records are known by their bytes.
func (e *Envelope) contentOf() *content {
	if !e.content.written {
		e.content.of(e.record, e.records)
	}
	return &e.content
}

// apart is an object of the record being mapped that was taken apart for its
// content; nil where it was not.
func (e *Envelope) apart(value Raw) *object {
	if !e.mapping {
		return nil
	}
	return e.content.apart(value)
}

// Rank is the place of an element of the record's set among the others by their
// content: another order of the list does not change it.
func (e *Envelope) Rank(place int) int { return e.contentOf().rank(place) }

// Record is the record being mapped.
func (e *Envelope) Record() Raw { return e.record }

// Began is when the sweep began, for records without a time of their own.
func (e *Envelope) Began() time.Time {
	if e.Sweep.Started.IsZero() {
		return e.settings.Now()
	}
	return e.Sweep.Started
}

// Begin starts a document for the record being mapped, the first one or the only
// one, and returns its root and its event object.
func (e *Envelope) Begin() (root, event *ecs.Object) {
	e.faults = e.faults[:0]
	return e.begin()
}

func (e *Envelope) begin() (root, event *ecs.Object) {
	e.Doc.Rewind(e.common)
	e.lossy, e.kept, e.more = false, 0, e.more[:0]
	root = e.Doc.Root()
	event = root.Object("event")
	if e.settings.PreserveOriginal {
		event.Set("original", e.originalText())
	}
	return root, event
}

// Vendor is the vendor's object of the document.
func (e *Envelope) Vendor() *ecs.Object {
	path := &e.settings.Vendor.Path
	return e.Doc.Root().Object(path[0]).Object(path[1])
}

// Duplicates are tables of vendor fields whose values are also in ECS fields:
// empty unless the configuration asks for such.
func (e *Envelope) Duplicates(t Table) Table {
	if e.settings.PreserveDuplicates {
		return t
	}
	return nil
}

// Layer is what several documents of one record share.
type Layer struct {
	mark         ecs.Mark
	faults, kept int
	lossy        bool
}

// Share makes what the document has now the beginning of all that follow. What
// was taken from the document before must be taken again.
func (e *Envelope) Share() Layer { return Layer{e.Doc.Keep(), len(e.faults), e.kept, e.lossy} }

// Again starts the next document that shares the layer.
func (e *Envelope) Again(l Layer) {
	e.Doc.Rewind(l.mark)
	e.more = e.more[:0]
	e.faults, e.kept, e.lossy = e.faults[:l.faults], l.kept, l.lossy
}

// KeepsOriginal reports whether the document will have the original.
func (e *Envelope) KeepsOriginal() bool {
	return e.settings.PreserveOriginal || e.lossy || len(e.faults) > 0
}

// Finish closes a document: its id from the record's content and the parts that
// make it unique besides, its time, and what could not be mapped. A document with
// error.message is a pipeline_error and keeps the original. So does one that lacks
// some of the record, without being an error.
func (e *Envelope) Finish(timestamp time.Time, parts ...[]byte) {
	d := &e.Doc
	d.ID = e.ids.of(parts, e.contentOf().sum[:])
	d.Timestamp = timestamp
	if e.partial != "" {
		e.Tag(e.partial)
	}
	if len(e.more) > 0 {
		d.Root().Set("tags", e.withTags(e.more...))
	}
	if len(e.faults) == 0 && !e.lossy {
		return
	}
	root := d.Root()
	event := root.Object("event")
	if len(e.faults) > 0 {
		root.Object("error").Set("message", d.Texts(e.faults...))
		event.Set("kind", ecs.Text("pipeline_error"))
	}
	event.Set("original", e.originalText())
	e.Tag(TagOriginal)
	root.Set("tags", e.withTags(e.more...))
}

// Tag gives the document a tag beside the stream's.
func (e *Envelope) Tag(tag string) { e.more = append(e.more, tag) }

// Account is the source's account that the records are of: see Mapper.Account.
func (e *Envelope) Account() string { return e.account }

// withTags are the stream's tags and more; an empty one is left out.
func (e *Envelope) withTags(more ...string) ecs.Value {
	tags := slices.Clone(e.tags)
	for _, tag := range more {
		if tag != "" && !slices.ContainsFunc(tags, func(t ecs.Value) bool { return t.String() == tag }) {
			tags = append(tags, ecs.Text(tag))
		}
	}
	return ecs.List(tags...)
}

func (e *Envelope) originalText() ecs.Value { return ecs.Text(ecs.Alias(e.record)) }

// quarantine makes the one document of a record that cannot be mapped at all.
func (e *Envelope) quarantine(record Raw, cause error) {
	e.Start(record)
	e.content.literally(record)
	e.faults = append(e.faults, cause.Error())
	e.begin()
	e.Finish(e.settings.Now())
}
