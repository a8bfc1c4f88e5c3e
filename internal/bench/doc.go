// Package bench measures what a record costs, from Kafka to ClickHouse. It holds only tests.
//
//	load_test.go          the records, and what they must become
//	engine_test.go        the same job done by ClickHouse's own Kafka engine
//	process_test.go       CPU time and memory of processes; a ClickHouse's rows and bytes
//	pipeline_test.go      TestPipeline: writes the records to a real Kafka, lets both systems read
//	                      them into a real ClickHouse each, compares their counts, prints a table
//	record_bench_test.go  only our own code, on records without errors: from the bytes of a record
//	                      to the sums of a batch
//
// CPU time is that of the processes that the bench starts, as the kernel counts it, so other work
// on the machine distorts it little. It covers everything from the start of reading until
// ClickHouse has nothing left to merge.
//
//	make bench                                two million records, some five minutes on two cores
//	make bench COUNT=200000 ENGINE=0          fewer, and without the Kafka engine
//	make bench ERRORS=20 BODY=16384 CODEC=zstd PARTITIONS=64 FORMAT=kong
//	make bench ARRAY=1000 CODEC=none          a thousand records in each Kafka value
//	make bench FORMAT=nginx-line              lines of text, without bodies
//	make bench TENANTS=1000000 CODES=5000     more groups to count
//	make bench INGESTERS=4 SHARE=20           four ingesters, each with a fifth of a core
//	make bench PROFILE=cpu.pprof              also a CPU profile of the ingester
//
// docs/performance.md has the results.
package bench
