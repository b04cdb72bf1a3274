package mapping

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// minimalOriginal is how much of a record a minimal form has, bytes.
	minimalOriginal = 256 << 10
	// minimalText and bareText are the longest texts of a document that the forms
	// take over, and tagText the longest tag, bytes.
	minimalText = 8 << 10
	bareText    = 256
	tagText     = 256
)

// constants are in both forms, in this order: they are the collector's, not
// the record's.
var constants = []string{
	"agent.id", "agent.name", "agent.type", "agent.version", "agent.ephemeral_id",
	"elastic_agent.id", "elastic_agent.version", "elastic_agent.snapshot",
	"data_stream.type", "data_stream.dataset", "data_stream.namespace",
	"ecs.version", "input.type", "event.dataset", "event.module", "event.provider",
	"cloud.provider", "observer.product", "observer.vendor",
}

// identifiers say which record it was. In the bare form they are only where
// they look like one.
var identifiers = []string{"event.id", "event.created", "event.severity", "cloud.account.id", "cloud.instance.id", "host.id"}

// headlines are what a person looks for first.
var headlines = []string{"message", "rule.name"}

const tagsField = "tags"

// Fallback makes the lesser forms of refused documents. It works from the encoded
// document, and knows ECS only. See "Why a refused document has two more forms" in the
// package's doc.
type Fallback struct {
	// Tags are those of the policy, the only ones that the bare form takes over:
	// processors may have put any text into the others.
	Tags []string
}

var _ inputs.Fallback = Fallback{}

// Minimal implements inputs.Fallback.
func (Fallback) Minimal(d inputs.Document, original []byte, r inputs.Refusal) inputs.Document {
	form, kept := newForm("minimal", d)
	kept.copy(form, r.Field, minimalText, constants, identifiers, headlines)
	tags := Union{TagOriginal} // without it event.original is removed
	if r.Field != tagsField {
		tags.Add(kept.tags()...)
	}
	fail(form, tags, r, fmt.Sprintf("%d bytes", len(original)))
	form.Set("event.original", ecs.Text(beginning(original, minimalOriginal)))
	return document(form)
}

// Bare implements inputs.Fallback.
func (f Fallback) Bare(d inputs.Document, original []byte, r inputs.Refusal) inputs.Document {
	form, kept := newForm("bare", d)
	for _, path := range identifiers {
		if !isPlainIdentifier(kept[path]) {
			delete(kept, path)
		}
	}
	kept.copy(form, r.Field, bareText, constants, identifiers)
	var tags Union
	if r.Field != tagsField { // else there is none that would surely be taken
		tags.Add(TagOriginal)
		for _, tag := range kept.tags() {
			if slices.Contains(f.Tags, tag) {
				tags.Add(tag)
			}
		}
	}
	sum := sha256.Sum256(original)
	fail(form, tags, inputs.Refusal{Status: r.Status, Type: r.Type, KeptAside: r.KeptAside},
		fmt.Sprintf("%d bytes, SHA-256 %s", len(original), hex.EncodeToString(sum[:])))
	return document(form)
}

// Record implements inputs.Fallback.
func (Fallback) Record(d inputs.Document) string {
	kept := pick(d.JSON)
	for _, path := range []string{"event.id", "host.id"} {
		if id := kept[path]; isPlainIdentifier(id) {
			return ecs.Scalar(id).String()
		}
	}
	return ""
}

// newForm begins a form of a document, with an id that is that of no other form
// or document.
func newForm(name string, d inputs.Document) (*ecs.Document, members) {
	sum := sha256.Sum256([]byte(name + "\x00" + d.ID))
	return &ecs.Document{ID: base64.RawURLEncoding.EncodeToString(sum[:15]), Timestamp: d.Timestamp}, pick(d.JSON)
}

// fail makes a form a pipeline_error that says what was refused. What represents
// the original is named in both forms.
func fail(form *ecs.Document, tags Union, r inputs.Refusal, original string) {
	reason := "the full document was refused: " + r.Type
	if r.Status != 0 {
		reason += fmt.Sprintf(" (HTTP %d)", r.Status)
	}
	if r.Field != "" {
		reason += ", field " + r.Field
	}
	if r.KeptAside {
		reason += "; it is in the failure store"
	}
	form.Set("error.message", ecs.Text(reason+"; the record has "+original))
	form.Set("event.kind", ecs.Text("pipeline_error"))
	form.Set(tagsField, form.Texts(tags...))
}

func document(form *ecs.Document) inputs.Document {
	return inputs.Document{ID: form.ID, Timestamp: form.Timestamp, JSON: form.AppendJSON(nil)}
}

// beginning is a text's first bytes, without half a character at the end.
func beginning(text []byte, most int) string {
	if len(text) <= most {
		return ecs.Alias(text)
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return ecs.Alias(text[:most])
}

// members are values of a document by their dotted path.
type members map[string]jsontext.Value

// copy puts members of these paths into a form, where they are scalars. A member that
// is longer than the limit, or that is the cause, is left out.
func (m members) copy(form *ecs.Document, cause string, most int, lists ...[]string) {
	for _, paths := range lists {
		for _, path := range paths {
			v := m[path]
			switch v.Kind() {
			case '"', '0', 't', 'f':
				if path != cause && len(v) <= most {
					form.Set(path, ecs.Scalar(v))
				}
			}
		}
	}
}

// tags are the document's, without those that are too long for one.
func (m members) tags() (tags []string) {
	v := m[tagsField]
	if v.Kind() != '[' {
		return nil
	}
	var elements []jsontext.Value
	s := ecs.NewScanner(v)
	_, _ = s.List(&elements, MaxElements)
	for _, e := range elements {
		if e.Kind() == '"' && len(e) <= tagText {
			tags = append(tags, ecs.Scalar(e).String())
		}
	}
	return tags
}

// wanted are the paths that forms take, and the objects on the way to them.
var wanted = func() map[string]bool {
	leaf := map[string]bool{}
	for _, paths := range [][]string{constants, identifiers, headlines, {tagsField}} {
		for _, path := range paths {
			leaf[path] = true
			for i := range len(path) {
				if path[i] == '.' && !leaf[path[:i]] {
					leaf[path[:i]] = false
				}
			}
		}
	}
	return leaf
}()

// pick takes the wanted members out of an encoded document.
func pick(document []byte) members {
	m := members{}
	s := ecs.NewScanner(document)
	if s.Peek() == '{' {
		m.pick(&s, "")
	}
	return m
}

func (m members) pick(s *ecs.Scanner, prefix string) {
	for s.Enter(); s.More(); {
		path := prefix + ecs.Unquote(s.Value())
		leaf, known := wanted[path]
		if known && !leaf && s.Peek() == '{' {
			m.pick(s, path+".")
			continue
		}
		if v := s.Value(); leaf {
			m[path] = v
		}
	}
}

// isPlainIdentifier reports whether a value is a number, or such text as ids and
// times are made of. Anything else could be a text of the record.
func isPlainIdentifier(v jsontext.Value) bool {
	if v.Kind() == '0' {
		return true
	}
	if v.Kind() != '"' || len(v) > bareText {
		return false
	}
	return len(strings.Trim(ecs.Alias(v[1:len(v)-1]), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+")) == 0
}
