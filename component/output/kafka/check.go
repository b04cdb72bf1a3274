package kafka

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// writeBit is WRITE among the operations on a topic that the user has (KIP-430);
	// a broker that does not report them sends operationsUnknown.
	writeBit          = 1 << 4
	operationsUnknown = -1 << 31

	autoCreate   = "auto.create.topics.enable"
	brokerConfig = 4 // kind of resource
)

// Check finds out whether the brokers take connections and credentials, and whether
// the topics that are known without a document are there, or may be made, and may be
// written to. It makes nothing and sends nothing. The error is an *output.Error, or
// joins the faults of the settings.
func Check(ctx context.Context, source map[string]any, targets []string) (output.Finding, error) {
	c, err := readConfig(source)
	if err != nil {
		return output.Finding{}, err
	}
	client, err := kgo.NewClient(c.client...)
	if err != nil {
		return output.Finding{}, &output.Error{Op: opAsk, Reason: output.Other, Err: err}
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout+answersWithin)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return output.Finding{}, c.dialer.failure(opAsk, err)
	}
	return c.look(ctx, client, targetsOf(targets))
}

// targetsOf are targets of data streams' names: type-dataset-namespace, of which the
// dataset has no hyphen.
func targetsOf(names []string) (targets []inputs.Target) {
	for _, name := range names {
		parts := strings.SplitN(name, "-", 3)
		if len(parts) == 3 {
			targets = append(targets, inputs.Target{DataStream: inputs.DataStream{Type: parts[0], Dataset: parts[1], Namespace: parts[2]}})
		}
	}
	return targets
}

// look asks for the topics.
func (c *config) look(ctx context.Context, client *kgo.Client, targets []inputs.Target) (f output.Finding, err error) {
	topics := c.known(targets)
	if len(topics) == 0 {
		return output.Finding{Unasked: true}, nil
	}
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	for _, topic := range topics {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(topic)})
	}
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return f, c.dialer.failure(opAsk, err)
	}
	f.Known = true
	for _, topic := range answer.Topics {
		name := ""
		if topic.Topic != nil {
			name = *topic.Topic
		}
		switch err := kerr.ErrorForCode(topic.ErrorCode); {
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			f.Denied = append(f.Denied, "topic "+name)
		case errors.Is(err, kerr.UnknownTopicOrPartition) && !isRefused(ctx, client, answer.Brokers):
			f.Known = false // nobody knows before the first message
		case err != nil:
			_, e := c.dialer.verdictOf(err, &inputs.Target{Index: name}, name, false)
			return f, e
		case topic.AuthorizedOperations == operationsUnknown:
			f.Known = false
		case topic.AuthorizedOperations&writeBit == 0:
			f.Denied = append(f.Denied, "topic "+name)
		}
	}
	return f, nil
}

// isRefused reports whether the brokers say that they make no topic that is missing.
func isRefused(ctx context.Context, client *kgo.Client, brokers []kmsg.MetadataResponseBroker) bool {
	if len(brokers) == 0 {
		return false
	}
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Resources = []kmsg.DescribeConfigsRequestResource{{
		ResourceType: brokerConfig, ResourceName: strconv.Itoa(int(brokers[0].NodeID)), ConfigNames: []string{autoCreate},
	}}
	answer, err := request.RequestWith(ctx, client)
	if err != nil || len(answer.Resources) != 1 || answer.Resources[0].ErrorCode != 0 {
		return false // the user may not ask
	}
	for _, setting := range answer.Resources[0].Configs {
		if setting.Name == autoCreate && setting.Value != nil {
			return *setting.Value == "false"
		}
	}
	return false
}
