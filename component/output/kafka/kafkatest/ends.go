package kafkatest

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// CatchUp waits until everything is read that stands in the topics now.
func (r *Reader) CatchUp(ctx context.Context, topics ...string) error {
	ends, err := r.ends(ctx, topics)
	if err != nil {
		return err
	}
	for {
		r.mu.Lock()
		behind, changed := false, r.changed
		for at, end := range ends {
			behind = behind || r.next[at] < end
		}
		r.mu.Unlock()
		if !behind {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("read up to %v: %w", ends, ctx.Err())
		}
	}
}

// ends are the offsets behind the last messages.
func (r *Reader) ends(ctx context.Context, topics []string) (map[place]int64, error) {
	metadata := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		metadata.Topics = append(metadata.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(topic)})
	}
	known, err := metadata.RequestWith(ctx, r.client)
	if err != nil {
		return nil, err
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	for _, t := range known.Topics {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = *t.Topic
		for _, p := range t.Partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p.Partition, -1 // the end
			topic.Partitions = append(topic.Partitions, partition)
		}
		request.Topics = append(request.Topics, topic)
	}
	answer, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return nil, err
	}
	ends := map[place]int64{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			ends[place{t.Topic, p.Partition}] = p.Offset
		}
	}
	return ends, nil
}
