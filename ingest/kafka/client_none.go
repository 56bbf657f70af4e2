//go:build nokafka

package kafka

import "errors"

// newWriter says that Kafka was left out, as it is of the container image,
// which has to stay small.
func newWriter(Config) (writer, error) {
	return nil, errors.New("kafka-brokers is set, but this build (that of the container image) was made without Kafka; build the image with --build-arg WITHOUT=noparquet, use the program of the packages, or leave kafka-brokers empty")
}
