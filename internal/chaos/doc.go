// Package chaos breaks everything around running ingesters and then counts. It holds tests alone.
//
//	load_test.go      records of which it is known what they must become, and the producers that write them
//	rig_test.go       three real Kafka brokers, a real ClickHouse, ingesters as processes of their own, and
//	                  between them proxies that make the network bad
//	inserts_test.go   what such a proxy does to the INSERTs that pass through it
//	faults_test.go    the table of faults
//	pauses_test.go    how long each partition stood still
//	count_test.go     what Kafka holds against what ClickHouse counts
//	chaos_test.go     TestChaos: one fault or several after another, at random, under steady load
//	outage_test.go    TestOutage: a day without ClickHouse in small
//
// What is right is computed from Kafka's own log, read through once more at the end by a client that the ingester
// does not use, so a producer that repeats or aborts does not matter. Every error, dead letter and batch is then
// compared by its place, and every sum by its key.
//
//	go test ./internal/chaos                      some twenty seconds on one broker, as part of `make test`
//	make chaos                                    a minute and a half on three brokers
//	make chaos FOR=20m SEED=7 REPORT=chaos.json   long, the same faults again, numbers to a file
//
// The seed decides which faults come in which order with which lengths; when processes notice is still theirs.
package chaos
