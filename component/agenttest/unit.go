package agenttest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/elastic/elastic-agent-client/v7/pkg/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// UnitKey names a unit.
type UnitKey struct {
	Type client.UnitType
	ID   string
}

func (k UnitKey) String() string {
	if k.Type == client.UnitTypeOutput {
		return "output " + k.ID
	}
	return "input " + k.ID
}

// Unit is one unit of the component as the policy has it.
type Unit struct {
	ID   string
	Type client.UnitType
	// Config is the input or output as written in the policy: JSON types
	// only, keys dotted or nested. Its typed part (id, type, name, revision,
	// meta, data_stream, streams) is made from it.
	Config map[string]any
	// LogLevel is error, warn, info, debug or trace. Default: info.
	LogLevel string
	// Halted makes the agent expect STOPPED though the policy has the unit, as
	// it does for a unit in which it found an error itself.
	Halted bool
}

// Key is the unit's key.
func (u Unit) Key() UnitKey { return UnitKey{u.Type, u.ID} }

// UnitState is a unit's state as observed by the agent.
type UnitState struct {
	State   client.UnitState
	Message string
	Payload map[string]any
	// Current says that the component has received the newest configuration.
	// The client library says so before the component applied it, and with
	// the next check-in only: at once where a state changes, else within 25s.
	Current bool
	// At is when the state was reported.
	At time.Time
}

// States are the states of all units.
type States map[UnitKey]UnitState

// All reports whether there are units and all of them are in that state with
// their newest configuration.
func (s States) All(state client.UnitState) bool {
	for _, u := range s {
		if u.State != state || !u.Current {
			return false
		}
	}
	return len(s) > 0
}

// String lists units with state and message, sorted.
func (s States) String() string {
	lines := make([]string, 0, len(s))
	for key, u := range s {
		lines = append(lines, fmt.Sprintf("%s: %s %q", key, u.State, u.Message))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

var logLevels = map[string]proto.UnitLogLevel{
	"":      proto.UnitLogLevel_INFO,
	"error": proto.UnitLogLevel_ERROR,
	"warn":  proto.UnitLogLevel_WARN,
	"info":  proto.UnitLogLevel_INFO,
	"debug": proto.UnitLogLevel_DEBUG,
	"trace": proto.UnitLogLevel_TRACE,
}

// expectedConfig is the unit's configuration as it goes over the wire: the
// whole source, and the typed view of it.
func (u Unit) expectedConfig() (*proto.UnitExpectedConfig, error) {
	source, err := structpb.NewStruct(u.Config)
	if err != nil {
		return nil, fmt.Errorf("unit %s: %w", u.Key(), err)
	}
	config := &proto.UnitExpectedConfig{
		Source: source, Id: text(u.Config, "id"), Type: text(u.Config, "type"), Name: text(u.Config, "name"),
		DataStream: dataStream(u.Config), Meta: meta(u.Config),
	}
	if n := source.Fields["revision"].GetNumberValue(); n > 0 {
		config.Revision = uint64(n)
	}
	if config.Id == "" {
		config.Id = u.ID
	}
	streams, _ := u.Config["streams"].([]any)
	var faults []error
	for i, s := range streams {
		stream, ok := s.(map[string]any)
		if !ok {
			faults = append(faults, fmt.Errorf("unit %s: streams.%d is not an object", u.Key(), i))
			continue
		}
		config.Streams = append(config.Streams, &proto.Stream{
			Source: substruct(stream), Id: text(stream, "id"), DataStream: dataStream(stream),
		})
	}
	return config, errors.Join(faults...)
}

func dataStream(m map[string]any) *proto.DataStream {
	nested, _ := m["data_stream"].(map[string]any)
	get := func(key string) string {
		if s := text(m, "data_stream."+key); s != "" {
			return s
		}
		return text(nested, key)
	}
	d := &proto.DataStream{Dataset: get("dataset"), Type: get("type"), Namespace: get("namespace")}
	if nested == nil && d.Dataset+d.Type+d.Namespace == "" {
		return nil
	}
	d.Source = substruct(nested)
	return d
}

func meta(m map[string]any) *proto.Meta {
	nested, ok := m["meta"].(map[string]any)
	if !ok {
		return nil
	}
	pkg, _ := nested["package"].(map[string]any)
	return &proto.Meta{
		Source:  substruct(nested),
		Package: &proto.Package{Source: substruct(pkg), Name: text(pkg, "name"), Version: text(pkg, "version")},
	}
}

// substruct converts a part of a source that converted as a whole.
func substruct(m map[string]any) *structpb.Struct {
	s, _ := structpb.NewStruct(m)
	return s
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}
