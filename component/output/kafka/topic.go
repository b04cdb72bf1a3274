package kafka

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
	"github.com/defender-endpoint/defender-endpoint/inputs/process"
)

// rule chooses a topic where its condition holds.
type rule struct {
	topic     format
	mappings  map[string]string // in place of what topic gives
	otherwise string            // where topic gives nothing
	when      process.Condition // nil: it is for all documents
}

// validTopic is what Kafka takes as a name.
var validTopic = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (c *config) readTopics(r *policy.Reader) {
	always := false
	for i, source := range c.Topics {
		one, err := readRule(source)
		if err != nil {
			r.Named(fmt.Errorf("topics: entry %d: %w", i+1, err))
			continue
		}
		always = always || one.when == nil
		c.topics = append(c.topics, one)
	}
	if c.Topic == "" {
		r.Check(always || len(c.Topics) > len(c.topics), "topic", "missing")
		return
	}
	f, err := parseFormat(c.Topic)
	if err == nil {
		err = checkTopic(f)
	}
	r.Check(err == nil, "topic", fmt.Sprint(err))
	c.topics = append(c.topics, rule{topic: f})
}

func readRule(source map[string]any) (one rule, err error) {
	for _, name := range slices.Sorted(maps.Keys(source)) {
		v := source[name]
		text, isText := v.(string)
		switch name {
		case "topic":
			if one.topic, err = parseFormat(text); err == nil {
				err = checkTopic(one.topic)
			}
		case "default":
			one.otherwise = text
		case "mappings":
			isText = true
			one.mappings, err = texts(v)
		case "when":
			isText = true
			if one.when, err = process.NewCondition(v); err != nil {
				err = errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
			}
		default:
			return one, fmt.Errorf("%s is not known", name)
		}
		if err != nil || !isText {
			return one, fmt.Errorf("%s %w", name, orNoText(err))
		}
	}
	if len(one.topic) == 0 {
		return one, errors.New("topic is missing")
	}
	return one, nil
}

func orNoText(err error) error {
	if err == nil {
		return errors.New("must be a text")
	}
	return err
}

// texts are texts by their dotted name, however deep the policy has them.
func texts(v any) (map[string]string, error) {
	out := map[string]string{}
	source, ok := v.(map[string]any)
	if !ok || !flatten(out, "", source) {
		return nil, errors.New("must be texts by name")
	}
	return out, nil
}

func flatten(out map[string]string, prefix string, source map[string]any) (ok bool) {
	for name, v := range source {
		switch v := v.(type) {
		case string:
			out[prefix+name] = v
		case map[string]any:
			if !flatten(out, prefix+name+".", v) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// checkTopic looks at what of a topic is known.
func checkTopic(f format) error {
	for _, p := range f {
		if p.text != "" && !validTopic.MatchString(p.text) {
			return errors.New("may have letters, digits, dots, underscores and hyphens alone, 249 at most")
		}
	}
	if len(f) == 1 && f[0].field == "" && (f[0].text == "." || f[0].text == "..") {
		return errors.New("must not be a dot or two")
	}
	return nil
}

// topicOf is the topic of a document, and a field for want of which there is none.
func (c *config) topicOf(scratch []byte, target *inputs.Target, d *inputs.Document) (topic []byte, missing string) {
	for i := range c.topics {
		one := &c.topics[i]
		if one.when != nil && !one.when(message{target, d}) {
			continue
		}
		topic, lacks := one.topic.appendTo(scratch[:0], target, d)
		if mapped, ok := one.mappings[string(topic)]; ok && lacks == "" {
			topic = append(topic[:0], mapped...)
		}
		if lacks != "" && one.otherwise != "" {
			topic, lacks = append(topic[:0], one.otherwise...), ""
		}
		if lacks == "" && validTopic.Match(topic) {
			return topic, ""
		}
		missing = lacks
	}
	return nil, missing
}

// message has the fields that conditions ask for.
type message struct {
	target *inputs.Target
	d      *inputs.Document
}

var _ process.Fields = message{}

// Field implements process.Fields: what format strings know beside the document's
// fields is there, too.
func (m message) Field(path string) jsontext.Value {
	if text, ok := about(path, m.target, m.d); ok {
		quoted, _ := jsontext.AppendQuote(nil, text) // an error only says that UTF-8 was repaired
		return quoted
	}
	if v := event.Field(m.d.JSON, path); v.Kind() != 'n' {
		return v
	}
	return nil
}

// known are the topics of a target that no document changes.
func (c *config) known(targets []inputs.Target) []string {
	found := map[string]bool{}
	for i := range targets {
		for _, one := range c.topics {
			if one.when == nil && one.topic.constant() && len(one.mappings) == 0 {
				topic, _ := one.topic.appendTo(nil, &targets[i], &inputs.Document{})
				found[string(topic)] = true
				break
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
