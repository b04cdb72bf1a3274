package defender

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	module     = "microsoft_defender_endpoint"
	ecsVersion = "8.17.0"

	tagOriginal   = "preserve_original_event"
	tagDuplicates = "preserve_duplicate_custom_fields"
	tagUnexpanded = "evidence_unavailable" // the API served the record without its evidence only
)

// envelope makes the documents of one stream: what every document carries
// beside its record, its id, and the note of what could not be mapped.
type envelope struct {
	config Config
	agent  inputs.Agent
	tags   []ecs.Value
	// processors change the finished document or drop it.
	processors []processor

	doc     ecs.Document
	ground  ecs.Mark // of the document with what every document has
	record  raw      // the record being mapped
	content content  // of that record
	faults  faults
	// lossy tells of a document that some of the record is in the original alone,
	// without being a fault.
	lossy   bool
	vendor  [2]string // names of the vendor's object, from the root
	kept    int       // values in the document's unknown; see keep
	compact raw       // a container on its way to a text
	// unknown counts members kept without being known, until it is taken.
	unknown int
	drift   *drift // of the stream; nil outside of one
	// unexpanded tells that records were asked for without what $expand brings.
	unexpanded bool
	epoch      []byte // part of every id; see collect.Place
	hash       hash.Hash
	sum        []byte    // of hash; before that, the length of a part
	source     [2][]byte // parts of every id: dataset and tenant
	values     []ecs.Value
	several    []ecs.Value // see keep
}

func newEnvelope(c Config, agent inputs.Agent) *envelope {
	var tags union
	if c.PreserveOriginalEvent {
		tags.add(tagOriginal)
	}
	if c.PreserveDuplicateCustomFields {
		tags.add(tagDuplicates)
	}
	tags.add(c.Tags...)
	e := &envelope{config: c, agent: agent, processors: c.processors(), hash: sha256.New()}
	e.source = [...][]byte{[]byte(c.DataStream.Dataset), []byte(c.TenantID)}
	e.tags = e.doc.Texts(tags...).Values()
	e.layGround()
	return e
}

// layGround sets what every document has.
func (e *envelope) layGround() {
	root := e.doc.Root()
	e.setAgent(root)
	stream := root.Object("data_stream")
	stream.Set("type", ecs.Text(e.config.DataStream.Type))
	stream.Set("dataset", ecs.Text(e.config.DataStream.Dataset))
	stream.Set("namespace", ecs.Text(e.config.DataStream.Namespace))
	root.Object("ecs").Set("version", ecs.Text(ecsVersion))
	root.Object("input").Set("type", ecs.Text(Type))
	root.Set("tags", ecs.List(e.tags...))
	event := root.Object("event")
	event.Set("dataset", ecs.Text(e.config.DataStream.Dataset))
	event.Set("module", ecs.Text(module))
	e.ground = e.doc.Keep()
}

// take begins with another record.
func (e *envelope) take(record raw) {
	e.record, e.faults, e.content.written = record, e.faults[:0], false
}

// contentOf is the record's content; see content.
func (e *envelope) contentOf() *content {
	if !e.content.written {
		e.content.of(e.record)
	}
	return &e.content
}

// begin starts a document for the record being mapped and returns its root and
// its event object.
func (e *envelope) begin() (root, event *ecs.Object) {
	e.doc.Rewind(e.ground)
	e.lossy, e.kept = false, 0
	root = e.doc.Root()
	event = root.Object("event")
	if e.config.PreserveOriginalEvent {
		event.Set("original", e.originalText())
	}
	return root, event
}

func (e *envelope) setAgent(root *ecs.Object) {
	if e.agent.ID == "" {
		return
	}
	a := root.Object("agent")
	a.Set("id", ecs.Text(e.agent.ID))
	a.Set("name", ecs.Text(e.agent.Name))
	a.Set("type", ecs.Text(e.agent.Type))
	a.Set("version", ecs.Text(e.agent.Version))
	a.Set("ephemeral_id", ecs.Text(e.agent.EphemeralID))
	ea := root.Object("elastic_agent")
	ea.Set("id", ecs.Text(e.agent.ID))
	ea.Set("version", ecs.Text(e.agent.Version))
	ea.Set("snapshot", ecs.Bool(e.agent.Snapshot))
}

// finish closes a document: its id from the record's content and the parts that
// make it unique besides, its time, and what could not be mapped. ecs-mapping.md 4.0 rule 6: a document
// with error.message is a pipeline_error and keeps the original. So does one
// that lacks some of the record, without being an error.
func (e *envelope) finish(timestamp time.Time, parts ...[]byte) {
	d := &e.doc
	d.ID = e.documentID(parts)
	d.Timestamp = timestamp
	if e.unexpanded {
		d.Root().Set("tags", e.withTags(tagUnexpanded))
	}
	if len(e.faults) == 0 && !e.lossy {
		return
	}
	root := d.Root()
	event := root.Object("event")
	if len(e.faults) > 0 {
		root.Object("error").Set("message", e.doc.Texts(e.faults...))
		event.Set("kind", ecs.Text("pipeline_error"))
	}
	event.Set("original", e.originalText())
	if e.unexpanded {
		root.Set("tags", e.withTags(tagOriginal, tagUnexpanded))
		return
	}
	root.Set("tags", e.withTags(tagOriginal))
}

func (e *envelope) withTags(more ...string) ecs.Value {
	tags := slices.Clone(e.tags)
	for _, tag := range more {
		if !slices.ContainsFunc(tags, func(t ecs.Value) bool { return t.String() == tag }) {
			tags = append(tags, ecs.Text(tag))
		}
	}
	return ecs.List(tags...)
}

func (e *envelope) originalText() ecs.Value { return ecs.Text(ecs.Alias(e.record)) }

// text takes any scalar as text, cut to maxText.
func (e *envelope) text(field string, v raw) ecs.Value {
	switch {
	case blank(v):
		return ecs.Value{}
	case v.Kind() == '"' && len(v) <= maxText:
		return ecs.Scalar(v)
	case v.Kind() == '{' || v.Kind() == '[':
		e.faults.add(field, "text", v)
		return ecs.Value{}
	default:
		return e.short(unquote(v))
	}
}

// short is a text cut to maxText; a document with one that was cut keeps the
// original.
func (e *envelope) short(s string) ecs.Value {
	s, cut := shorten(s)
	e.lossy = e.lossy || cut
	return ecs.Text(s)
}

// maxCompact is how large a buffer is kept from one record to the next, in bytes.
const maxCompact = 1 << 16

// jsonText is a container as the text of its JSON, and a scalar as text: one
// type in Elasticsearch, whatever the API sends.
func (e *envelope) jsonText(v raw) ecs.Value {
	if blank(v) {
		return ecs.Value{}
	}
	if k := v.Kind(); k != '{' && k != '[' {
		return e.short(unquote(v))
	}
	if cap(e.compact) > maxCompact {
		e.compact = nil
	}
	e.compact = append(e.compact[:0], v...)
	_ = e.compact.Compact(lenient...) // cannot fail: it was read as one well-formed value
	s, cut := shorten(ecs.Alias(e.compact))
	e.lossy = e.lossy || cut
	return ecs.Text(strings.Clone(s)) // the buffer is for the next one
}

// list maps the elements of a list, of which those without a value are left out.
func (e *envelope) list(l *elements, value func(element raw) ecs.Value) ecs.Value {
	e.values = e.values[:0]
	for _, element := range l.values {
		e.values = append(e.values, value(element))
	}
	e.noteBeyond(l)
	return e.doc.List(e.values...)
}

// noteBeyond makes it a fault that not all of a list was mapped.
func (e *envelope) noteBeyond(l *elements) {
	if l.beyond > 0 {
		e.faults.note(fmt.Sprintf("%s: %d of %d elements are in the original alone", l.field, l.beyond, l.beyond+len(l.values)))
	}
}

// oneOrList is a list, or its element where that came without a list around it.
func oneOrList(came raw, list ecs.Value) ecs.Value {
	if values := list.Values(); came.Kind() != '[' && len(values) == 1 {
		return values[0]
	}
	return list
}

// object reads an element of a list of objects, or the value of a member that
// is one; see objectDecoder.take. It notes what can be neither.
func (e *envelope) object(field string, d *objectDecoder, v raw, lone *raw) bool {
	if blank(v) {
		return false
	}
	if err := d.take(v, lone); err != nil {
		e.faults.add(field, "an object", v)
		return false
	}
	return true
}

// duplicate sets a vendor field whose value also stands in an ECS field, where
// the configuration asks for such.
func (e *envelope) duplicate(vendor *ecs.Object, name string, v ecs.Value) {
	if e.config.PreserveDuplicateCustomFields {
		vendor.Set(name, v)
	}
}

// quarantine makes the one document of a record that cannot be mapped at all.
func (e *envelope) quarantine(record raw, cause error) {
	e.take(record)
	e.content.literally(record)
	e.faults = append(e.faults, cause.Error())
	e.begin()
	e.finish(time.Now())
}

// documentID hashes what makes a document unique, each part with its length so
// that no two lists of parts are alike. 120 bits: the chance that two of a
// billion documents collide is below 1e-18. See "Why ids are SHA-256" in the
// package's doc.
func (e *envelope) documentID(parts [][]byte) string {
	e.hash.Reset()
	for _, p := range e.source {
		e.hashPart(p)
	}
	for _, p := range parts {
		e.hashPart(p)
	}
	e.hashPart(e.contentOf().sum[:])
	if len(e.epoch) > 0 {
		e.hashPart(e.epoch)
	}
	e.sum = e.hash.Sum(e.sum[:0])
	return base64.RawURLEncoding.EncodeToString(e.sum[:15])
}

func (e *envelope) hashPart(part []byte) {
	e.sum = binary.LittleEndian.AppendUint64(e.sum[:0], uint64(len(part)))
	e.hash.Write(e.sum)
	e.hash.Write(part)
}

// repaired is the record with text that strict readers take: broken UTF-8 and
// halves of surrogate pairs become U+FFFD. It is almost always the record itself.
func repaired(record raw) raw {
	if utf8.Valid(record) && !bytes.Contains(record, []byte(`\ud`)) && !bytes.Contains(record, []byte(`\uD`)) {
		return record
	}
	fixed := record.Clone()
	if err := fixed.Format(slices.Concat(lenient, []jsontext.Options{jsontext.PreserveRawStrings(false)})...); err != nil {
		return bytes.ToValidUTF8(record, []byte("\uFFFD")) // no JSON: only its text is kept
	}
	return fixed
}
