package stacktest

import "testing"

// TestFetch fetches the servers of the other packages' tests. make test runs this package first, so
// that they are there when the others have been compiled.
func TestFetch(t *testing.T) {
	t.Run("ClickHouse", func(t *testing.T) {
		t.Parallel()
		Library(t)
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		Must(t, javaPresent())
		_, err := kafkaJars(t)
		Must(t, err)
	})
}
