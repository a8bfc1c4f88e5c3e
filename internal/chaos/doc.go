// Package chaos breaks everything around running ingesters and then counts. It holds only tests.
//
//	load_test.go     records of known outcome, and the producers that write them
//	rig_test.go      real Kafka brokers, a real ClickHouse, ingesters as processes of their own,
//	                 and proxies between them that make the network bad
//	inserts_test.go  what such a proxy does to the INSERTs that pass through it
//	faults_test.go   the table of faults
//	pauses_test.go   how long each partition stood still
//	count_test.go    compares what is in Kafka with what ClickHouse counts
//	chaos_test.go    TestChaos: random faults, one at a time or several at once, under load
//	outage_test.go   TestOutage: seconds without ClickHouse, and the catching up
//
// At the end, a client library other than the ingester's reads Kafka's log once more, and the
// expected result is computed from that. So it does not matter that a producer repeats or aborts.
// Every error, dead letter and batch is then compared by its position, and every sum by its key.
//
//	go test ./internal/chaos         some twenty seconds on one broker, as part of `make test`
//	make chaos                       a minute and a half on three brokers
//	make chaos FOR=20m SEED=7 REPORT=chaos.json
//	                                 longer; the same faults again; the numbers in a file
//
// The seed decides which faults come, in which order and for how long. How the processes react, and
// how fast, is not reproducible.
package chaos
